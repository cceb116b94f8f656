package import FlashVIDFile

/// The files that one run reads and writes, so that none of them can destroy another.
package struct RunFiles {
    package struct Output {
        package let option: String
        package let file: OutputFile
        /// For a person's eyes too, unlike tensors.
        package let isText: Bool

        package init(_ option: String, _ file: OutputFile, isText: Bool = false) {
            self.option = option
            self.file = file
            self.isText = isText
        }
    }

    package var input: InputFile?
    package var outputs: [Output]

    package init(input: InputFile?, outputs: [Output]) {
        self.input = input
        self.outputs = outputs
    }

    /// Refuses files that get into each other's way, before any of them is opened. Returns ``stream``.
    package func check() throws -> StandardStream {
        for output in outputs {
            if output.file.isTerminal, !output.isText {
                throw Failure(input: "\(output.file.name): is a terminal; it cannot show tensors")
            }
        }
        let source = input?.identity
        for (index, output) in outputs.enumerated() {
            guard let identity = output.file.identity, identity.keepsWhatIsWritten else { continue }
            if identity == source, !identity.isTwoWay {
                throw Failure(
                    input: "\(output.file.name): \(output.option) is the input itself, which would be lost")
            }
            if let other = outputs[..<index].first(where: { $0.file.identity == identity }) {
                throw Failure(input: "\(output.file.name): \(output.option) and \(other.option) are one file")
            }
        }
        let stream = stream
        try check(stream, source)
        for output in outputs { try output.file.check() }
        return stream
    }

    /// The stream that is free for what a person wants to read: standard output, or standard error where standard output is
    /// a file of the run.
    package var stream: StandardStream {
        outputs.contains { $0.file.isSame(as: StandardStream.output.rawValue) } ? .error : .output
    }

    private func check(_ stream: StandardStream, _ source: FileIdentity?) throws {
        guard let identity = FileIdentity(descriptor: stream.rawValue), identity.keepsWhatIsWritten else { return }
        let name = stream == .output ? "standard output" : "standard error"
        if identity == source, !identity.isTwoWay {
            throw Failure(input: "\(name) is the input itself, which would be lost")
        }
        if let output = outputs.first(where: { $0.file.identity == identity }) {
            throw Failure(input: "\(output.file.name): \(output.option) takes standard output and standard error")
        }
    }
}
