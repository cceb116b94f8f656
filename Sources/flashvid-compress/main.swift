import ToolSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

do {
    let command = try Command.parseArguments(Array(CommandLine.arguments.dropFirst()))
    ProgressBar.prepareForSignals()
    Signals.install(cleaning: { ProgressBar.clearLine() })
    try command.compress()
} catch let request as CleanRequest {
    StandardStream.output.write(request.text + "\n")
} catch {
    let failure = Failure(error)
    failure.print(as: "flashvid-compress")
    exit(failure.exitCode)
}
