package import FlashVID
import FlashVIDFile

/// What ends a tool: one line for a person and a code for a script.
package struct Failure: Error {
    /// 2 for what the caller can mend in the arguments or the input, 1 for what the machine refused.
    package let exitCode: Int32
    package let message: String

    /// Bad arguments or bad input.
    package init(input message: String) {
        exitCode = 2
        self.message = message
    }

    /// The machine's refusal.
    package init(environment message: String) {
        exitCode = 1
        self.message = message
    }

    package init(_ error: any Error) {
        switch error {
        case let failure as Failure:
            self = failure
        case let error as SafetensorsError:
            switch error {
            case .cannotRead, .cannotWrite, .outOfMemory, .interrupted: self.init(environment: error.description)
            case .notRepresentable: self.init(input: "\(error.description); --dtype f32 holds it")
            default: self.init(input: error.description)
            }
        case let error as FlashVIDError:
            self.init(error, path: nil)
        default:
            self.init(environment: "\(error)")
        }
    }

    /// `path` is the file that the clip came from.
    package init(_ error: FlashVIDError, path: String?) {
        switch error {
        case .outOfMemory:
            self.init(environment: error.description)
        case .invalidConfiguration, .invalidThreadCount:
            self.init(input: error.description)
        default:
            self.init(input: (path.map { $0 + ": " } ?? "") + error.description)
        }
    }

    /// On one line, whatever the message quotes from outside.
    package func print(as tool: String) {
        var line = ""
        for scalar in message.unicodeScalars {
            if ArgumentText.isByte(scalar) {
                line += "\u{FFFD}"
                continue
            }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                line += "\\u{\(String(scalar.value, radix: 16))}"
            default:
                line.unicodeScalars.append(scalar)
            }
        }
        StandardStream.error.write("\(tool): error: \(line)\n")
    }
}
