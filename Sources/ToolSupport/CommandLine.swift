public import ArgumentParser
import CFlashVID
public import FlashVID
package import FlashVIDFile

package let toolVersion = FLASHVID_VERSION_STRING

extension Configuration.Model: ExpressibleByArgument {}

/// The element types that `--dtype` knows.
package enum FeatureType: String, CaseIterable, ExpressibleByArgument {
    case f32, f16, bf16

    package var elementType: ElementType {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        }
    }
}

extension InputFile: ExpressibleByArgument {
    /// A path, or `-`.
    package init?(argument: String) {
        self = argument == "-" ? .standardInput : .path(FilePath(bytes: ArgumentText.bytes(of: argument)))
    }

    package static var defaultCompletionKind: CompletionKind { .file() }
}

extension OutputFile: ExpressibleByArgument {
    /// A path, or `-`.
    package init?(argument: String) {
        self = argument == "-" ? .standardOutput : OutputFile(FilePath(bytes: ArgumentText.bytes(of: argument)))
    }

    package static var defaultCompletionKind: CompletionKind { .file() }
}

/// `--help`, `--version` and their like: text for standard output, and success.
package struct CleanRequest: Error {
    package let text: String
}

extension ParsableCommand {
    /// Throws a ``CleanRequest`` or a ``Failure``.
    package static func parseArguments(_ arguments: [String]) throws -> Self {
        do {
            return try parse(arguments)
        } catch {
            if exitCode(for: error).isSuccess { throw CleanRequest(text: fullMessage(for: error)) }
            let lines = message(for: error).split(separator: "\n")
            throw Failure(input: lines.joined(separator: " "))
        }
    }
}
