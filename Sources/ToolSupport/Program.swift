import FlashVIDLibC

/// A tool from its start to its end.
package enum Program {
    /// Runs `body` with the words of the command line; what it throws ends the process with one line and a code.
    package static func run(as name: String, _ body: (_ arguments: [String]) throws -> Void) {
        StandardStream.prepare()
        do {
            try body(ArgumentText.all)
        } catch let request as CleanRequest {
            StandardStream.output.write(request.text + "\n")
        } catch {
            let failure = Failure(error)
            failure.print(as: name)
            // Not `exit`, which waits for OpenBLAS's own threads: where memory is short they wait for theirs, for ever.
            _exit(failure.exitCode)
        }
    }
}
