import FlashVID

/// A clip that is made from a shape and a seed: the same numbers on every machine and any number of threads.
protocol GeneratedClip: Sendable {
    var shape: ClipShape { get }
    var seed: UInt64 { get }

    /// Writes features [F, N, D] and attention [F, N].
    func generate(
        features: UnsafeMutablePointer<Float>, attention: UnsafeMutablePointer<Float>, pool: WorkerPool)
}

/// A clip that behaves like a film: scenes of seven frames with cuts between them, a camera that pans over some and
/// rests on others, and things that move across.
///
/// Every scene is a field of 48 waves over the token grid, drifting with the camera; a disc with a field of its own
/// crosses it. A token's features are its 48 values times a random matrix, plus a vector that all tokens share, as
/// encoders have it, plus noise of a twentieth. In every third scene nothing moves but the noise, and its last three
/// frames repeat one frame exactly. Attention is the disc's prominence times a random number.
///
/// Frames draw from streams of their own, so that the clip depends on shape and seed and not on threads.
struct SyntheticClip: GeneratedClip {
    /// How the clip is made, in one line for the head of a report.
    static let recipe =
        "scenes of 7 frames with cuts between them, a panning camera, a disc that crosses; "
        + "every third scene at rest, its last 3 frames one frame repeated"

    let shape: ClipShape
    let seed: UInt64

    private static let latents = 48
    private static let framesPerScene = 7
    /// Of a scene at rest, the last frame that is not a repetition.
    private static let lastMoving = 3

    func generate(
        features: UnsafeMutablePointer<Float>, attention: UnsafeMutablePointer<Float>, pool: WorkerPool
    ) {
        var random = SplitMix64(seed: seed)
        let (frames, tokens, channels) = (shape.frames, shape.tokensPerFrame, shape.channels)
        let width = Int(Double(tokens).squareRoot().rounded(.up))
        let scale = 1 / Float(Self.latents).squareRoot()
        let mixing = (0..<Self.latents * channels).map { _ in random.normal() * scale }
        let shared = (0..<channels).map { _ in random.normal() * 0.5 }
        let scenes = (0..<(frames + Self.framesPerScene - 1) / Self.framesPerScene).map { _ in
            Scene(latents: Self.latents, width: width, &random)
        }

        pool.run(frames) { _, frame in
            let (number, time) = frame.quotientAndRemainder(dividingBy: Self.framesPerScene)
            let rests = Self.rests(number)
            guard !(rests && time > Self.lastMoving) else { return }
            var random = SplitMix64(seed: seed, stream: frame + 1)
            var field = [Float](repeating: 0, count: Self.latents)
            for token in 0..<tokens {
                let (y, x) = token.quotientAndRemainder(dividingBy: width)
                let prominence = scenes[number].sample(x: x, y: y, time: rests ? 0 : time, into: &field)
                attention[frame * tokens + token] = (0.2 + prominence) * (0.5 + random.uniform()) / Float(tokens)
                let row = features + (frame * tokens + token) * channels
                for channel in 0..<channels { row[channel] = shared[channel] + 0.05 * random.noise() }
                mixing.withUnsafeBufferPointer { mixing in
                    for latent in 0..<Self.latents {
                        let weight = field[latent]
                        for channel in 0..<channels { row[channel] += weight * mixing[latent &* channels &+ channel] }
                    }
                }
            }
        }
        for frame in 0..<frames {
            let (number, time) = frame.quotientAndRemainder(dividingBy: Self.framesPerScene)
            guard Self.rests(number), time > Self.lastMoving else { continue }
            let size = tokens * channels
            (features + frame * size).update(from: features + (frame - 1) * size, count: size)
            (attention + frame * tokens).update(from: attention + (frame - 1) * tokens, count: tokens)
        }
    }

    private static func rests(_ scene: Int) -> Bool { scene % 3 == 1 }

    /// Waves of the background and of the disc, and how they move.
    private struct Scene {
        struct Wave {
            let x: Float
            let y: Float
            let phase: Float
        }

        let background: [Wave]
        let disc: [Wave]
        let camera: (x: Float, y: Float)
        let start: (x: Float, y: Float)
        let velocity: (x: Float, y: Float)
        let radius: Float

        init(latents: Int, width: Int, _ random: inout SplitMix64) {
            func waves(_ random: inout SplitMix64) -> [Wave] {
                (0..<latents).map { _ in
                    Wave(x: random.normal() * 0.45, y: random.normal() * 0.45, phase: random.uniform() * 2 * .pi)
                }
            }
            background = waves(&random)
            disc = waves(&random)
            camera = (random.normal() * 0.15, random.normal() * 0.05)
            start = (random.uniform() * Float(width), random.uniform() * Float(width))
            velocity = (random.normal() * 0.8, random.normal() * 0.8)
            radius = Float(width) * (0.12 + 0.1 * random.uniform())
        }

        /// Writes a token's latents; returns how prominent it is, in 0...1.
        func sample(x: Int, y: Int, time: Int, into field: inout [Float]) -> Float {
            let time = Float(time)
            let centre = (start.x + velocity.x * time, start.y + velocity.y * time)
            let (dx, dy) = (Float(x) - centre.0, Float(y) - centre.1)
            let isInside = dx * dx + dy * dy < radius * radius
            let waves = isInside ? disc : background
            let (u, v) = isInside ? (dx, dy) : (Float(x) - camera.x * time, Float(y) - camera.y * time)
            for (index, wave) in waves.enumerated() {
                field[index] = Self.cosine(wave.x * u + wave.y * v + wave.phase)
            }
            return isInside ? 1 : 0
        }

        /// A cosine-like wave of period 2π; its exact shape does not matter.
        private static func cosine(_ angle: Float) -> Float {
            let turns = angle / (2 * .pi)
            let saw = turns - turns.rounded()
            let hill = 1 - 16 * saw * saw
            return abs(saw) <= 0.25 ? hill : -1 + 16 * (0.5 - abs(saw)) * (0.5 - abs(saw))
        }
    }
}
