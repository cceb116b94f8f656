import FlashVIDLibC
import ToolSupport

StandardStream.prepare()
do {
    let bench = try Bench.parseArguments(ArgumentText.all)
    Signals.install()
    try bench.measure()
} catch let request as CleanRequest {
    StandardStream.output.write(request.text + "\n")
} catch {
    let failure = Failure(error)
    failure.print(as: "flashvid-bench")
    // Not `exit`, which waits for OpenBLAS's own threads: where memory is short they wait for theirs, for ever.
    _exit(failure.exitCode)
}
