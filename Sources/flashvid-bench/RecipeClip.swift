import FlashVID

/// A clip made by a ``Recipe``. Every vector draws from a stream of its own, so that the clip depends on recipe, shape and seed
/// and not on threads.
struct RecipeClip: GeneratedClip {
    let recipe: Recipe
    let shape: ClipShape
    let seed: UInt64

    /// What a stream of random numbers is for.
    private enum Purpose: Int, CaseIterable {
        case shared, patch, own, grain, layout, odd, oddToken, scale, sink, attention
    }

    private func stream(_ purpose: Purpose, _ number: Int) -> SplitMix64 {
        SplitMix64(seed: seed, stream: number &* Purpose.allCases.count &+ purpose.rawValue)
    }

    private func vector(_ purpose: Purpose, _ number: Int) -> [Float] {
        var random = stream(purpose, number)
        return (0..<shape.channels).map { _ in random.noise() }
    }

    /// The frame that frame `time` has the content of.
    func content(_ time: Int) -> Int {
        let frame = time / recipe.hold
        return recipe.period > 0 ? frame % recipe.period : frame
    }

    func generate(
        features: UnsafeMutablePointer<Float>, attention: UnsafeMutablePointer<Float>, pool: WorkerPool
    ) {
        let (frames, tokens, channels) = (shape.frames, shape.tokensPerFrame, shape.channels)
        let shared = vector(.shared, 0)
        let patches = (0..<recipe.patches).map { patch in vector(.patch, patch) }
        let black = Int((recipe.black * Double(tokens)).rounded())

        pool.run(frames) { _, frame in
            weigh(frame, into: attention + frame * tokens)
            let content = content(frame)
            var odd = Set<Int>()
            if recipe.odd > 0 {
                var random = stream(.odd, content)
                for _ in 0..<recipe.odd { odd.insert(Int(random.next() % UInt64(tokens))) }
            }
            for token in 0..<tokens {
                let row = features + (frame * tokens + token) * channels
                // The same whatever moved there.
                let place = (token + frame * recipe.scroll) % tokens
                let number = content * tokens + place
                if token < black {
                    mix(row, shared, recipe.dark)
                } else if odd.contains(place) {
                    mix(row, shared, recipe.shared)
                    add(row, .oddToken, number, 0.5)
                } else {
                    mix(row, shared, recipe.shared)
                    if patches.isEmpty {
                        add(row, .own, number, recipe.own)
                        add(row, .grain, recipe.grainBy == .position ? place : number, recipe.grain)
                    } else {
                        let patch = patch(place, number)
                        add(row, patches[patch], recipe.own)
                        add(row, .grain, recipe.grainBy == .position ? place : number, grain(patch))
                    }
                }
                finish(row, frame, place, number)
            }
        }
    }

    private func patch(_ place: Int, _ number: Int) -> Int {
        switch recipe.layout {
        case .random, .frames:
            var random = stream(.layout, recipe.layout == .random ? place : number)
            return Int(random.next() % UInt64(recipe.patches))
        case .columns:
            let width = Int(Double(shape.tokensPerFrame).squareRoot().rounded(.up))
            return place % width * recipe.patches / width
        }
    }

    /// The grain of a patch's tokens.
    private func grain(_ patch: Int) -> Double {
        guard recipe.spread > 0, recipe.patches > 1 else { return recipe.grain }
        // Whole steps of a tenth, by multiplication alone: a power would be the mathematics library's.
        let tenths = Int((recipe.spread * 10 * Double(patch) / Double(recipe.patches - 1)).rounded())
        return (0..<tenths).reduce(recipe.grain) { grain, _ in grain * 0.794_328_234_724_281_5 }
    }

    /// What is left to do to a row once its numbers are there.
    private func finish(_ row: UnsafeMutablePointer<Float>, _ frame: Int, _ place: Int, _ number: Int) {
        let channels = shape.channels
        if recipe.signs {
            for channel in 0..<channels { row[channel] = row[channel] < 0 ? -1 : 1 }
        }
        var factor: Float = 1
        if recipe.scales > 1 {
            var random = stream(.scale, number)
            factor *= Recipe.factors[Int(random.next() % UInt64(recipe.scales))]
        }
        if recipe.sinks > 0 {
            var random = stream(.sink, place)
            if Double(random.uniform()) < recipe.sinks { factor *= Float(recipe.sink) }
        }
        if recipe.fade, shape.frames > 1 { factor *= Float(shape.frames - 1 - frame) / Float(shape.frames - 1) }
        if factor != 1 {
            for channel in 0..<channels { row[channel] *= factor }
        }
        if recipe.outlier > 0 { row[channels / 3] = Float(recipe.outlier) }
        if recipe.grid > 0 {
            let step = Float(recipe.grid)
            for channel in 0..<channels { row[channel] = (row[channel] / step).rounded() * step }
        }
    }

    private func mix(_ row: UnsafeMutablePointer<Float>, _ vector: [Float], _ weight: Double) {
        let weight = Float(weight)
        for channel in 0..<shape.channels { row[channel] = weight * vector[channel] }
    }

    private func add(_ row: UnsafeMutablePointer<Float>, _ vector: [Float], _ weight: Double) {
        let weight = Float(weight)
        for channel in 0..<shape.channels { row[channel] += weight * vector[channel] }
    }

    private func add(_ row: UnsafeMutablePointer<Float>, _ purpose: Purpose, _ number: Int, _ weight: Double) {
        guard weight > 0 else { return }
        let weight = Float(weight)
        var random = stream(purpose, number)
        for channel in 0..<shape.channels { row[channel] += weight * random.noise() }
    }

    private func weigh(_ frame: Int, into weights: UnsafeMutablePointer<Float>) {
        var random = stream(.attention, recipe.attention == .still ? 0 : frame)
        for token in 0..<shape.tokensPerFrame {
            let share = random.uniform()
            let square = share * share
            weights[token] =
                switch recipe.attention {
                case .uniform, .still: share
                case .peaked: square * square * square * square
                case .steps: (share * 4).rounded(.up) / 4
                case .equal: 1
                case .zero: 0
                }
        }
    }
}
