import FlashVIDLibC
import ToolSupport

StandardStream.prepare()
do {
    let command = try Command.parseArguments(ArgumentText.all)
    ProgressBar.prepareForSignals()
    Signals.install(cleaning: { ProgressBar.clearLine() })
    try command.compress()
} catch let request as CleanRequest {
    StandardStream.output.write(request.text + "\n")
} catch {
    let failure = Failure(error)
    failure.print(as: "flashvid-compress")
    // Not `exit`, which waits for OpenBLAS's own threads: where memory is short they wait for theirs, for ever.
    _exit(failure.exitCode)
}
