import FlashVID
import Foundation

/// Judges a result decision by decision: of each, given those before it, whether the definition has it so, in double precision
/// and in whatever order its sums run. `Reference` says what comes out; where two numbers lie so close that its own rounding
/// decided between them, another answer is as good, and it is here that this is shown.
///
/// What is no matter of rounding has one answer: of equal tokens, and of numbers that every computation finds equal (a cosine
/// that counts as 1, a distance of 0), the one of lower index. Not for the published semantics.
struct Referee {
    /// What is judged.
    struct Claim {
        var segmentLengths: [Int]
        var indices: [Int]
        var kinds: [CompressedVideo.Kind]
        var assignment: [Int]
        var parents: [Int]
        var tokens: [Double]

        init(_ video: CompressedVideo) {
            (segmentLengths, indices, kinds) = (video.segmentLengths, video.indices, video.kinds)
            (assignment, parents, tokens) = (video.assignment, video.parents, video.tokens.map(Double.init))
        }

        init(_ result: Reference.Result) {
            (segmentLengths, indices, kinds) = (result.segmentLengths, result.indices, result.kinds)
            (assignment, parents, tokens) = (result.assignment ?? [], result.parents, result.tokens.values)
        }
    }

    /// A decision that the definition does not have so.
    struct Fault: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }

    /// A row and by how much its computation may move it.
    struct Vector {
        var values: [Double]
        var error = 0.0
    }

    let clip: [Rows]
    let attention: [[Double]]?
    let configuration: Configuration
    let selected: [Int]
    let contextual: Int
    /// Decisions that rounding leaves open.
    private(set) var open = 0

    private var frames: Int { clip.count }
    private var n: Int { clip[0].count }
    private var channels: Int { clip[0].columns }
    /// Of a sum of products over the channels, relative to the sum of their magnitudes; rigorous, for any order.
    private var sumError: Double { Double(channels + 16) * Bounds.unit }

    init(_ clip: Clip, _ configuration: Configuration) {
        let (n, channels) = (clip.shape.tokensPerFrame, clip.shape.channels)
        self.configuration = configuration
        self.clip = (0..<clip.shape.frames).map { frame in
            Rows(
                columns: channels,
                values: clip.features[frame * n * channels..<(frame + 1) * n * channels].map(Double.init))
        }
        attention = clip.attention.map { attention in
            (0..<clip.shape.frames).map { attention[$0 * n..<($0 + 1) * n].map(Double.init) }
        }
        (selected, contextual) = Reference.budget(clip.shape, configuration)
    }

    /// Judges what `run` makes of the clip with the configuration. It is run with fewer rounds of refinement as well, since the
    /// last result says nothing of what was decided before them.
    mutating func judge(_ run: (Configuration) throws -> Claim) throws {
        var early = configuration
        (early.refinementRounds, early.placement) = (0, .centre)
        var claim = try run(early)
        try checkSegments(claim.segmentLengths)
        let segments = Self.ranges(claim.segmentLengths)
        let isFree = try checkSelection(claim, segments)
        var rows = [Vector](repeating: Vector(values: []), count: claim.indices.count)
        for (row, index) in claim.indices.enumerated() where claim.kinds[row] == .selected {
            rows[row].values = clip[index / n][index % n]
            try require(claim.assignment[index] == row, "selected token \(index) is assigned to another row")
        }
        guard contextual > 0 else {
            for token in 0..<frames * n where isFree[token / n][token % n] {
                try require(claim.assignment[token] == -1, "token \(token) is not dropped")
            }
            try checkTokens(claim, rows)
            return try require(try run(configuration).indices == claim.indices, "refinement moved rows that are none")
        }
        for segment in segments {
            try checkTrees(claim, segment, isFree)
            try checkClusters(claim, segment, isFree, &rows)
        }
        try checkTokens(claim, rows)
        for round in 0..<configuration.refinementRounds {
            early.refinementRounds = round + 1
            let next = try run(early)
            try checkWhatStays(next, claim)
            try require(next.indices == claim.indices, "a round moved the rows")
            for segment in segments { try checkRound(next, segment, isFree, &rows) }
            try checkTokens(next, rows)
            claim = next
        }
        guard configuration.placement == .medoid else { return }
        let last = try run(configuration)
        try checkWhatStays(last, claim)
        try checkMedoids(last, claim, rows)
    }

    private static func ranges(_ lengths: [Int]) -> [Range<Int>] {
        var start = 0
        return lengths.map { length in
            defer { start += length }
            return start..<start + length
        }
    }

    private func require(_ holds: Bool, _ fault: @autoclosure () -> String) throws {
        if !holds { throw Fault(fault()) }
    }

    /// A number for each row, the same for equal ones.
    private static func classes(_ rows: [[Double]]) -> [Int] {
        var first: [[Double]: Int] = [:]
        return rows.indices.map { row in
            if let known = first[rows[row]] { return known }
            first[rows[row]] = row
            return row
        }
    }

    /// Counts a decision that others could have been made for.
    private mutating func count(_ isOpen: Bool) { open += isOpen ? 1 : 0 }

    private func checkWhatStays(_ next: Claim, _ claim: Claim) throws {
        try require(next.segmentLengths == claim.segmentLengths, "refinement changed the segments")
        try require(next.parents == claim.parents, "refinement changed the trees")
        func selected(_ claim: Claim) -> [Int] {
            zip(claim.indices, claim.kinds).filter { $0.1 == .selected }.map(\.0)
        }
        try require(selected(next) == selected(claim), "refinement changed the selection")
        try require(next.indices.count == claim.indices.count, "refinement changed the number of rows")
    }

    private func checkTokens(_ claim: Claim, _ rows: [Vector]) throws {
        let largest = rows.reduce(0) { $1.values.reduce($0) { max($0, $1.magnitude) } }
        let limit = max(1e-5 * largest, 4 * Double(Float.leastNonzeroMagnitude))
        for (place, value) in rows.flatMap(\.values).enumerated() {
            try require(
                (claim.tokens[place] - value).magnitude <= limit,
                "tokens at \(place): \(claim.tokens[place]) for \(value), largest \(largest)")
        }
    }
}

// MARK: - Numbers

extension Referee {
    /// [a][b] cosines of tokens as the definition counts them (spec 1).
    private func cosines(_ a: Rows, _ b: Rows) -> [[Bounds]] {
        let (unitA, unitB) = (a.unit, b.unit)
        func isZero(_ rows: Rows, _ row: Int) -> Bool { rows.dot(row, rows, row) == 0 }
        let (zeroA, zeroB) = ((0..<a.count).map { isZero(unitA, $0) }, (0..<b.count).map { isZero(unitB, $0) })
        return (0..<a.count).map { i in
            (0..<b.count).map { j in
                guard !zeroA[i], !zeroB[j] else { return Bounds(exactly: 0) }
                let cosine = Bounds(unitA.dot(i, unitB, j), within: 4 * sumError)
                if cosine.lower > Reference.same { return Bounds(exactly: 1) }
                return cosine.upper > Reference.same ? Bounds(cosine.lower, 1) : cosine
            }
        }
    }

    /// Mean of vectors. Where no order of the sum loses a bit it is the same everywhere.
    private static func mean(of members: [Vector]) -> Vector {
        guard members.count > 1 else { return members[0] }
        let count = Double(members.count)
        var mean = Vector(values: [], error: members.reduce(0) { $0 + $1.error } / count)
        var square = 0.0
        for channel in members[0].values.indices {
            var (sum, magnitudes, unit) = (0.0, 0.0, Double.infinity)
            for member in members {
                let value = member.values[channel]
                sum += value
                magnitudes += value.magnitude
                if value != 0 { unit = min(unit, Double(Float(value)) == value ? Double(Float(value).ulp) : 0) }
            }
            mean.values.append(sum / count)
            if magnitudes >= 0x1p53 * unit {
                let error = (count + 2) * Bounds.unit * magnitudes / count
                square += error * error
            }
        }
        mean.error += square.squareRoot()
        return mean
    }

    private func squaredDistance(_ a: Vector, _ b: Vector) -> Bounds {
        let error = a.error + b.error
        if error == 0, a.values == b.values { return Bounds(exactly: 0) }
        let square = zip(a.values, b.values).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        let spread = square * sumError + 2 * square.squareRoot() * error + error * error
        return Bounds(max(0, square - spread), square + spread)
    }

    /// Whether a vector is as far from one as from the other in every channel, so that both distances are one sum. The mean of
    /// two tokens is.
    private static func isHalfway(_ a: Vector, _ b: Vector, _ c: Vector) -> Bool {
        guard a.error == 0, b.error == 0, c.error == 0 else { return false }
        return a.values.indices.allSatisfy {
            (a.values[$0] - b.values[$0]).magnitude == (a.values[$0] - c.values[$0]).magnitude
        }
    }

    /// Mean of a frame's tokens.
    private func frameMean(_ frame: Int) -> Vector {
        var mean = Vector(values: clip[frame].mean)
        let magnitudes = Rows(columns: channels, values: clip[frame].values.map(\.magnitude)).mean
        mean.error = Double(n + 4) * Bounds.unit * magnitudes.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return mean
    }

    private static func length(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    /// Cosine of vectors that are not known exactly; no cosine counts as 1.
    private func plainCosine(_ a: Vector, _ b: Vector) -> Bounds {
        let (lengthA, lengthB) = (Self.length(a.values), Self.length(b.values))
        guard lengthA > 0, lengthB > 0 else {
            let isZero = lengthA == 0 && a.error == 0 || lengthB == 0 && b.error == 0
            return isZero ? Bounds(exactly: 0) : Bounds(-1, 1)
        }
        let dot = zip(a.values, b.values).reduce(0) { $0 + $1.0 * $1.1 }
        return Bounds(
            dot / (lengthA * lengthB), within: 4 * sumError + 2 * a.error / lengthA + 2 * b.error / lengthB)
    }
}

// MARK: - Spec 3: segments

extension Referee {
    private mutating func checkSegments(_ lengths: [Int]) throws {
        try require(lengths.reduce(0, +) == frames && lengths.allSatisfy { $0 > 0 }, "segments do not cover the clip")
        guard configuration.maximumSegmentFrames == 0 else {
            // Cut again afterwards: what they were before is not said, so that only the reference can be asked.
            var uncut = Set<Int>()
            for range in Self.ranges(lengths).dropLast() { uncut.insert(range.upperBound - 1) }
            let expected = Set(
                Self.ranges(Reference.segmentLengths(clip, configuration)).dropLast().map { $0.upperBound - 1 })
            return try require(uncut == expected, "segments \(lengths)")
        }
        guard configuration.segmentation, frames > 1 else {
            return try require(lengths == [frames], "more than one segment")
        }
        let cuts = Set(Self.ranges(lengths).dropLast().map { $0.upperBound - 1 })
        let means = (0..<frames).map { frameMean($0) }
        let similarity = (0..<frames - 1).map { plainCosine(means[$0], means[$0 + 1]) }
        let threshold = configuration.segmentThreshold
        let minimum =
            configuration.minimumSegments > 0
            ? configuration.minimumSegments : Reference.automaticSegments(frames)
        let wanted = min(minimum, frames) - 1
        let fills = configuration.complementarySegments
        for transition in 0..<frames - 1 {
            let isCut = cuts.contains(transition)
            if !isCut {
                try require(similarity[transition].upper >= threshold, "no cut behind frame \(transition)")
            } else if similarity[transition].lower >= threshold {
                try require(fills && cuts.count <= wanted, "a cut behind frame \(transition)")
            }
            count(similarity[transition].lower < threshold && similarity[transition].upper >= threshold)
        }
        if fills { try require(cuts.count >= wanted, "fewer segments than \(wanted + 1)") }
        // What was cut beyond the threshold is the least similar, of equal transitions the first.
        let pairs = Self.classes((0..<frames - 1).map { clip[$0].values + clip[$0 + 1].values })
        for cut in cuts where similarity[cut].lower >= threshold {
            for other in 0..<frames - 1 where !cuts.contains(other) {
                try require(
                    similarity[other].upper >= similarity[cut].lower && !(pairs[other] == pairs[cut] && other < cut),
                    "a cut behind frame \(cut) and not \(other)")
            }
        }
    }
}

// MARK: - Spec 4: selection

extension Referee {
    /// [F][N] what is left free.
    private mutating func checkSelection(_ claim: Claim, _ segments: [Range<Int>]) throws -> [[Bool]] {
        var isFree = [[Bool]](repeating: [Bool](repeating: true, count: n), count: frames)
        for (index, kind) in zip(claim.indices, claim.kinds) where kind == .selected {
            isFree[index / n][index % n] = false
        }
        for segment in segments {
            let means = segment.map { frameMean($0) }
            var event = Vector(
                values: Rows(columns: channels, values: means.flatMap(\.values)).mean,
                error: means.reduce(0) { $0 + $1.error } / Double(segment.count))
            event.error += Double(segment.count + 4) * Bounds.unit * means.reduce(0) { $0 + Self.length($1.values) }
            var earlier = Rows(columns: channels)
            for frame in segment {
                let claimed = (0..<n).filter { !isFree[frame][$0] }
                try require(
                    claimed.count == selected[frame],
                    "frame \(frame) has \(claimed.count) selected for \(selected[frame])")
                guard !claimed.isEmpty else { continue }
                try checkPicks(frame, claimed, event, earlier)
                if configuration.carry { for token in claimed { earlier.append(clip[frame][token]) } }
            }
        }
        return isFree
    }

    /// What distances to a token are multiplied by.
    private func weights(_ frame: Int, _ event: Vector) -> [Bounds] {
        let tokens = clip[frame]
        guard configuration.selection != .diversity else { return tokens.indices.map { _ in Bounds(exactly: 1) } }
        var weights: [Bounds]
        if let attention {
            weights = attention[frame].map { Bounds(exactly: $0 * Reference.attentionScale).rounded() }
        } else {
            let mean = frameMean(frame)
            weights = tokens.indices.map { token in
                let distinct = 1 - plainCosine(Vector(values: tokens[token]), mean)
                return (distinct * Bounds(exactly: Reference.attentionScale)).rounded()
            }
        }
        guard configuration.selection == .attentionDiversityEvent else { return weights }
        for token in tokens.indices {
            let (row, length) = (tokens[token], Self.length(tokens[token]))
            let dot = zip(row, event.values).reduce(0) { $0 + $1.0 * $1.1 }
            let error = length * (event.error + sumError * Self.length(event.values))
            weights[token] = (weights[token] * Bounds(dot, within: error)).rounded()
        }
        return weights
    }

    private mutating func checkPicks(_ frame: Int, _ claimed: [Int], _ event: Vector, _ earlier: Rows) throws {
        let tokens = clip[frame]
        var keys = tokens.indices.map { tokens[$0] }
        if let attention, configuration.selection != .diversity {
            for token in tokens.indices { keys[token].append(attention[frame][token]) }
        }
        let classes = Self.classes(keys)
        if configuration.selection == .attention {
            let weights = attentionAlone(frame)
            for pick in claimed {
                for other in tokens.indices where !claimed.contains(other) {
                    let isEqual =
                        Bounds.areEqual(weights[other], weights[pick])
                        || attention == nil && classes[other] == classes[pick]
                    try require(
                        weights[other].lower <= weights[pick].upper && !(isEqual && other < pick),
                        "frame \(frame): token \(pick) selected and not \(other)")
                }
            }
            return
        }
        let weights = weights(frame, event)
        func distances(_ rows: Rows) -> [[Bounds]] {
            cosines(rows, tokens).map { row in tokens.indices.map { ((1 - row[$0]).rounded() * weights[$0]).rounded() }
            }
        }
        let distance = distances(tokens)
        var nearest: [Bounds]
        let isCarried = configuration.carry && earlier.count > 0
        if isCarried {
            nearest = [Bounds](repeating: Bounds(exactly: .infinity), count: n)
            for row in distances(earlier) {
                for token in tokens.indices { nearest[token] = .min(nearest[token], row[token]) }
            }
        } else {
            nearest = tokens.indices.map { token in distance.map { $0[token] }.ranked(n > 1 ? 1 : 0) }
        }
        try checkGreed(frame, claimed, nearest, distance, classes, isCarried: isCarried)
    }

    /// Whether the claimed picks are those of the greedy choice. In which order they were picked is not said: where several may
    /// be next, each is tried.
    private mutating func checkGreed(
        _ frame: Int, _ claimed: [Int], _ first: [Bounds], _ distance: [[Bounds]], _ classes: [Int], isCarried: Bool
    ) throws {
        var tried = Set<Set<Int>>()
        var fault = ""
        var isOpen = false
        func leads(_ chosen: Set<Int>, _ nearest: [Bounds]) throws -> Bool {
            guard chosen.count < claimed.count else { return true }
            guard tried.insert(chosen).inserted else { return false }
            try require(tried.count < 100_000, "frame \(frame): too much is open")
            let candidates = nearest.indices.filter { !chosen.contains($0) }
            let best = candidates.map { nearest[$0].lower }.max()!
            let admissible = candidates.filter { token in
                nearest[token].upper >= best
                    && !candidates.contains { other in
                        other < token
                            && (classes[other] == classes[token] || Bounds.areEqual(nearest[other], nearest[token]))
                    }
            }
            isOpen = isOpen || admissible.count > 1
            let picks = admissible.filter { claimed.contains($0) }.sorted { nearest[$0].middle > nearest[$1].middle }
            if picks.isEmpty, fault.isEmpty {
                fault = "frame \(frame): \(claimed) selected, and none of \(admissible) after \(chosen.sorted())"
            }
            for pick in picks {
                let isFirst = chosen.isEmpty && !isCarried
                let next =
                    isFirst ? distance[pick] : nearest.indices.map { Bounds.min(nearest[$0], distance[pick][$0]) }
                if try leads(chosen.union([pick]), next) { return true }
            }
            return false
        }
        try require(try leads([], first), fault)
        count(isOpen)
    }

    /// Attention, or what stands in for it, with no scale.
    private func attentionAlone(_ frame: Int) -> [Bounds] {
        if let attention { return attention[frame].map { Bounds(exactly: $0) } }
        let mean = frameMean(frame)
        return clip[frame].indices.map { 1 - plainCosine(Vector(values: clip[frame][$0]), mean) }
    }
}

extension Rows {
    var indices: Range<Int> { 0..<count }
}

// MARK: - Spec 5: trees

extension Referee {
    private mutating func checkTrees(_ claim: Claim, _ segment: Range<Int>, _ isFree: [[Bool]]) throws {
        let merged = (segment.lowerBound * n..<segment.upperBound * n).filter { claim.parents[$0] >= 0 }
        guard segment.count > 1, configuration.temporalThreshold < 1 else {
            return try require(merged.isEmpty, "token \(merged.first ?? 0) is merged")
        }
        var similarity = [[Bounds]](
            repeating: [Bounds](repeating: Bounds(exactly: -1), count: n), count: segment.count)
        for frame in segment.dropFirst() {
            let cosines = cosines(clip[frame], clip[frame - 1])
            let classes = Self.classes(clip[frame - 1].indices.map { clip[frame - 1][$0] })
            let candidates = (0..<n).filter { isFree[frame - 1][$0] }
            for token in 0..<n {
                let flat = frame * n + token
                let isMerged = claim.parents[flat] >= 0
                guard isFree[frame][token], !candidates.isEmpty else {
                    try require(!isMerged, "token \(flat) is merged though it or all before it are selected")
                    continue
                }
                let row = cosines[token]
                let best = Bounds(candidates.map { row[$0].lower }.max()!, candidates.map { row[$0].upper }.max()!)
                similarity[frame - segment.lowerBound][token] = best
                guard isMerged else { continue }
                let parent = claim.parents[flat] - (frame - 1) * n
                try require((0..<n).contains(parent) && isFree[frame - 1][parent], "the parent of token \(flat)")
                try require(
                    row[parent].upper >= best.lower, "token \(flat) joins \(claim.parents[flat]), which is not its best"
                )
                for other in candidates where other < parent {
                    try require(
                        classes[other] != classes[parent] && !Bounds.areEqual(row[other], row[parent]),
                        "token \(flat) joins \(claim.parents[flat]) and not its equal \((frame - 1) * n + other)")
                }
                count(
                    candidates.contains {
                        $0 != parent && classes[$0] != classes[parent] && row[$0].upper >= row[parent].lower
                            && !Bounds.areEqual(row[$0], row[parent])
                    })
            }
        }
        try checkMerges(claim, segment, isFree, similarity)
    }

    /// Spec 5.2: which tokens join.
    private mutating func checkMerges(
        _ claim: Claim, _ segment: Range<Int>, _ isFree: [[Bool]], _ similarity: [[Bounds]]
    ) throws {
        let all = similarity.flatMap { $0 }
        let first = segment.lowerBound * n
        let floor = selected[segment].reduce(0, +) + contextual * segment.count
        let most = all.count - floor
        let threshold = configuration.temporalThreshold
        func check(_ lower: Double, _ upper: Double) -> String? {
            for (token, bounds) in all.enumerated() {
                if claim.parents[first + token] >= 0 {
                    if bounds.upper <= lower { return "token \(first + token) is merged" }
                } else if bounds.lower > upper {
                    return "token \(first + token) is not merged"
                }
            }
            return nil
        }
        // Whether the budget binds.
        let (certain, possible) = (all.count { $0.lower > threshold }, all.count { $0.upper > threshold })
        var fault: String? = "neither threshold fits"
        if certain <= most { fault = check(threshold, threshold) }
        if possible > most, fault != nil {
            if most == 0 {
                fault = check(.infinity, .infinity)
            } else {
                let soft = all.ranked(all.count - most)
                fault = check(max(soft.lower, -1 + 1e-6), max(soft.upper, -1 + 1e-6))
            }
        }
        if let fault { throw Fault("\(fault), of \(certain) to \(possible) that may and at the most \(most)") }
        count(certain <= most && possible > most)
        // Equal tokens of a frame do the same.
        for frame in segment.dropFirst() {
            let free = (0..<n).filter { isFree[frame][$0] }
            let classes = Self.classes(free.map { clip[frame][$0] })
            for (place, token) in free.enumerated() {
                let twin = frame * n + free[classes[place]]
                let (parent, other) = (claim.parents[frame * n + token], claim.parents[twin])
                try require(
                    parent == other, "equal tokens \(twin) and \(frame * n + token) join \(other) and \(parent)")
            }
        }
    }
}

// MARK: - Spec 6: clusters

extension Referee {
    private mutating func checkClusters(
        _ claim: Claim, _ segment: Range<Int>, _ isFree: [[Bool]], _ rows: inout [Vector]
    ) throws {
        var members: [Int: [Int]] = [:]
        var rootOf: [Int: Int] = [:]
        for frame in segment {
            for token in 0..<n where isFree[frame][token] {
                let flat = frame * n + token
                let root = claim.parents[flat] >= 0 ? rootOf[claim.parents[flat]]! : flat
                rootOf[flat] = root
                members[root, default: []].append(flat)
                if claim.parents[flat] >= 0 {
                    try require(
                        claim.assignment[flat] == claim.assignment[claim.parents[flat]],
                        "merged token \(flat) is assigned elsewhere than its parent")
                }
            }
        }
        let roots = segment.map { frame in (frame * n..<(frame + 1) * n).filter { rootOf[$0] == $0 } }
        let shares = Reference.allot(roots.map(\.count), total: contextual * segment.count, isExact: true)
        for (place, frame) in segment.enumerated() {
            let roots = roots[place]
            let own = claim.indices.indices.filter { claim.kinds[$0] == .contextual && claim.indices[$0] / n == frame }
            try require(
                own.count == shares[place], "frame \(frame) has \(own.count) contextual rows for \(shares[place])")
            let aggregates = roots.map { root in aggregate(members[root]!) }
            var centres: [Int] = []
            for row in own {
                guard let centre = roots.firstIndex(of: claim.indices[row]) else {
                    throw Fault("row \(row) stands at \(claim.indices[row]), which is no root")
                }
                centres.append(centre)
            }
            var labels: [Int] = []
            for root in roots {
                guard let label = own.firstIndex(of: claim.assignment[root]) else {
                    throw Fault("root \(root) is assigned to a row of another frame")
                }
                labels.append(centres[label])
            }
            for centre in centres {
                try require(labels[centre] == centre, "centre \(roots[centre]) is in another cluster")
            }
            if shares[place] < roots.count { try checkPeaks(aggregates, roots, centres, labels) }
            for (label, row) in own.enumerated() {
                rows[row] = Self.mean(of: labels.indices.filter { labels[$0] == centres[label] }.map { aggregates[$0] })
            }
        }
    }

    /// Spec 5.3.
    private func aggregate(_ tokens: [Int]) -> Vector {
        let rows = tokens.map { clip[$0 / n][$0 % n] }
        guard configuration.aggregation == .max else { return Self.mean(of: rows.map { Vector(values: $0) }) }
        return Vector(values: rows.dropFirst().reduce(rows[0]) { zip($0, $1).map(max) })
    }

    private mutating func checkPeaks(
        _ rows: [Vector], _ tokens: [Int], _ centres: [Int], _ labels: [Int]
    ) throws {
        let scale = Double(channels).squareRoot()
        let distance = rows.map { a in
            rows.map { b in
                let square = squaredDistance(a, b)
                return Bounds(square.lower.squareRoot() / scale, square.upper.squareRoot() / scale).rounded()
            }
        }
        let classes = Self.classes(rows.map { $0.values + [$0.error] })
        func areTwins(_ a: Int, _ b: Int) -> Bool { classes[a] == classes[b] && rows[a].error == 0 }
        let neighbours = min(centres.count, 7)
        let density = distance.indices.map { row in
            let nearest = (0..<neighbours).map { distance[row].ranked($0) }
            let mean = nearest.reduce(Bounds(exactly: 0)) {
                Bounds($0.lower + $1.lower * $1.lower, $0.upper + $1.upper * $1.upper)
            }
            guard mean.upper > 0 else { return Bounds(exactly: 1) }
            let exponent = Bounds(mean.lower / Double(neighbours), mean.upper / Double(neighbours)).rounded(16)
            return Bounds(exp(-exponent.upper), exp(-exponent.lower)).rounded()
        }
        let largest = Bounds(
            distance.joined().map(\.lower).max()!, distance.joined().map(\.upper).max()!)
        let score = rows.indices.map { row in
            var delta = Bounds(.infinity, .infinity)
            var isCertain = false
            for other in rows.indices where other != row {
                let isTie = areTwins(row, other) || Bounds.areEqual(density[row], density[other])
                let isDenser = isTie ? other < row : density[other].lower > density[row].upper
                guard isDenser || !isTie && density[other].upper >= density[row].lower else { continue }
                delta.lower = min(delta.lower, distance[row][other].lower)
                if isDenser {
                    isCertain = true
                    delta.upper = min(delta.upper, distance[row][other].upper)
                }
            }
            if !isCertain { delta = Bounds(min(delta.lower, largest.lower), largest.upper) }
            return (delta * density[row]).rounded()
        }
        var isOpen = false
        for centre in centres {
            for other in rows.indices where !centres.contains(other) {
                try require(
                    score[other].lower <= score[centre].upper
                        && !(Bounds.areEqual(score[other], score[centre]) && other < centre),
                    "token \(tokens[centre]) is a centre and \(tokens[other]) is not")
                isOpen = isOpen || score[other].upper >= score[centre].lower && !score[centre].isExact
            }
        }
        count(isOpen)
        for row in rows.indices where labels[row] != row {
            let own = labels[row]
            for centre in centres where centre != own {
                let isTie =
                    areTwins(centre, own) || Bounds.areEqual(distance[row][centre], distance[row][own])
                    || Self.isHalfway(rows[row], rows[centre], rows[own])
                let ranksHigher =
                    score[centre].lower > score[own].upper
                    || Bounds.areEqual(score[centre], score[own]) && centre < own
                try require(
                    distance[row][centre].upper >= distance[row][own].lower && !(isTie && ranksHigher),
                    "token \(tokens[row]) is in the cluster of \(tokens[own]) and not \(tokens[centre])")
                count(!isTie && distance[row][centre].lower <= distance[row][own].upper)
            }
            let twin = rows.indices.first { areTwins($0, row) && labels[$0] != $0 } ?? row
            try require(labels[twin] == own, "equal tokens \(tokens[twin]) and \(tokens[row]) are in two clusters")
        }
    }
}

// MARK: - Spec 12: refinement

extension Referee {
    private mutating func checkRound(
        _ claim: Claim, _ segment: Range<Int>, _ isFree: [[Bool]], _ rows: inout [Vector]
    ) throws {
        let own = claim.indices.indices.filter { segment.contains(claim.indices[$0] / n) }
        let rowAt = Dictionary(uniqueKeysWithValues: own.map { (claim.indices[$0], $0) })
        let classes = Self.classes(own.map { rows[$0].values + [rows[$0].error] })
        func areTwins(_ a: Int, _ b: Int) -> Bool { classes[a] == classes[b] && rows[own[a]].error == 0 }
        var members: [Int: [Vector]] = [:]
        var rowOfToken: [[Double]: Int] = [:]
        for frame in segment {
            for index in 0..<n {
                let token = frame * n + index
                let row = claim.assignment[token]
                guard let place = own.firstIndex(of: row) else { throw Fault("token \(token) left its segment") }
                let values = clip[frame][index]
                members[row, default: []].append(Vector(values: values))
                if let kept = rowAt[token] {
                    try require(kept == row, "the token \(token) of row \(kept) left it")
                    continue
                }
                if let other = rowOfToken[values] {
                    try require(other == row, "token \(token) went to row \(row), and its equal to \(other)")
                    continue
                }
                rowOfToken[values] = row
                let distance = own.map { squaredDistance(Vector(values: values), rows[$0]) }
                for other in own.indices where other != place {
                    let isTie =
                        areTwins(other, place) || Bounds.areEqual(distance[other], distance[place])
                        || Self.isHalfway(Vector(values: values), rows[own[other]], rows[own[place]])
                    try require(
                        distance[other].upper >= distance[place].lower && !(isTie && other < place),
                        "token \(token) went to row \(row) and not \(own[other])")
                    count(!isTie && distance[other].lower <= distance[place].upper)
                }
            }
        }
        for row in own where claim.kinds[row] == .contextual { rows[row] = Self.mean(of: members[row]!) }
    }

    private mutating func checkMedoids(_ last: Claim, _ claim: Claim, _ rows: [Vector]) throws {
        var moved = [Int](repeating: -1, count: rows.count)
        for token in claim.assignment.indices {
            let (before, after) = (claim.assignment[token], last.assignment[token])
            try require(moved[before] < 0 || moved[before] == after, "placement broke row \(before)")
            moved[before] = after
        }
        try require(Set(moved).count == rows.count, "placement merged rows")
        var placed = rows
        for row in rows.indices {
            placed[moved[row]] = rows[row]
            let medoid = last.indices[moved[row]]
            guard claim.kinds[row] == .contextual else {
                try require(medoid == claim.indices[row], "placement moved the selected row \(row)")
                continue
            }
            let members = claim.assignment.indices.filter { claim.assignment[$0] == row }
            try require(members.contains(medoid), "row \(row) is placed at \(medoid), which is none of its members")
            let sources = members.map { Vector(values: clip[$0 / n][$0 % n]) }
            let distances = sources.map { squaredDistance($0, rows[row]) }
            let own = members.firstIndex(of: medoid)!
            for (place, member) in members.enumerated() where place != own {
                let isTie =
                    sources[place].values == sources[own].values || Bounds.areEqual(distances[place], distances[own])
                    || Self.isHalfway(rows[row], sources[place], sources[own])
                try require(
                    distances[place].upper >= distances[own].lower && !(isTie && member < medoid),
                    "row \(row) is placed at \(medoid) and not \(member)")
                count(!isTie && distances[place].lower <= distances[own].upper)
            }
        }
        try checkTokens(last, placed)
    }
}
