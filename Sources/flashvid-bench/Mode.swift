import FlashVID
import FlashVIDHost
import ToolSupport

/// What is measured.
enum Mode {
    case clips
    case attention([AttentionShape])
    case plan([HostModel])
    case hard([HardClip])
    case search(seconds: Double, from: [HardClip])
}

extension Bench {
    /// Throws for options that have nothing to say about it.
    func mode() throws -> Mode {
        if hard.isWanted {
            let name = hard.hard ? "--hard" : "--search-hard"
            try refuse(
                [
                    ("--search-hard", hard.hard && hard.searchHard != nil),
                    ("--attention", attention.attention != nil), ("--plan", planning.plan != nil),
                    ("--input", input.input != nil), ("--clips", measuring.clips != 1), ("--step", measuring.step),
                ] + planOptions, with: name)
            guard let seconds = hard.searchHard else { return .hard(try hardClips()) }
            try refuse([("--write", input.write != nil)], with: name)
            return .search(seconds: seconds, from: try hardClips())
        }
        for (name, isGiven) in [("--only", hard.only != nil), ("--recipe", hard.recipe != nil)] where isGiven {
            throw Failure(input: "\(name) says nothing without --hard or --search-hard")
        }
        if let names = planning.plan {
            try refuse(
                [("--attention", attention.attention != nil), ("--input", input.input != nil)] + clipOptions
                    + [("--write", input.write != nil), ("--step", measuring.step)], with: "--plan")
            return .plan(try Self.models(names.elements))
        }
        for (name, isGiven) in planOptions where isGiven { throw Failure(input: "\(name) says nothing without --plan") }
        if let shapes = attention.attention {
            try refuse(clipOptions + [("--retention", method.retention != nil)], with: "--attention")
            return .attention(shapes.elements)
        }
        return .clips
    }

    /// Options about clips that are compressed and how, by whether they are given.
    private var clipOptions: [(String, Bool)] {
        [
            ("--shape", input.shape != nil), ("--preset", method.preset != nil), ("--published", method.published),
            ("--refined", method.refined), ("--clips", measuring.clips != 1), ("--stages", output.stages),
        ]
    }

    private var planOptions: [(String, Bool)] {
        [
            ("--frames", planning.frames != nil), ("--rows", planning.rows != nil),
            ("--text-tokens", planning.textTokens != nil),
            ("--context", planning.context != nil), ("--llm-tflops", planning.llmTflops != nil),
        ]
    }

    private func refuse(_ options: [(String, Bool)], with mode: String) throws {
        for (name, isGiven) in options where isGiven { throw Failure(input: "\(name) excludes \(mode)") }
    }
}
