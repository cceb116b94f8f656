import TestSupport
import Testing

@testable import FlashVID

/// Each stage against the reference, given what the engine's own earlier stages made: a fault is named by its stage.
@Suite("Stages")
struct StageTests {
    /// Random clips with all that the generator knows, and a clip longer than the means are kept for.
    private func forEachClip(
        _ seed: UInt64, _ change: (inout Configuration) -> Void = { _ in },
        _ body: (StageRun, _ story: Comment) throws -> Void
    ) throws {
        var generator = ClipGenerator(seed: seed)
        let clip =
            seed % 10 == 9
            ? generator.clip(shape: ClipShape(frames: 80, tokensPerFrame: 9, channels: 16)) : generator.clip()
        var configuration = generator.configuration(.definition)
        change(&configuration)
        let story = Comment(rawValue: generator.story(clip, configuration))
        try StageRun.on(clip, configuration) { try body($0, story) }
    }

    @Test("segments: cuts between frames (spec 3)", arguments: Seeds.first(60))
    func segments(_ seed: UInt64) throws {
        try forEachClip(seed) { run, story in
            let expected = Reference.segmentLengths(run.tokens(0..<run.shape.frames), run.configuration)
            #expect(run.segmentFrames.map(\.count) == expected, story)
            for (segment, frames) in run.segmentFrames.enumerated() {
                let containing = frames.map { run.segments.containing($0) }
                let beginning = frames.filter { run.segments.begins(with: $0) }
                #expect(containing == frames.map { _ in segment }, story)
                #expect(beginning == [frames.lowerBound], story)
            }
        }
    }

    @Test("frame means: those of long clips are made again where they are asked for", arguments: [1, 63, 64, 65, 200])
    func means(_ frames: Int) throws {
        let clip = Clip(frames, 3, 5) { Float($0 * 7 % 13) + Float($1 * $2) }
        try StageRun.on(clip, Configuration()) { run in
            var arena = Arena()
            let (reader, total) = try arena.layOut { plan in
                (FrameMeans.Reader(run.input.clip, plan: &plan), plan.table(Double.self, 5))
            }
            run.means.forget(reader)
            let expected = run.tokens(0..<frames).map(\.mean)
            for frame in [0, frames / 2, frames - 1] {
                let mean = run.means.mean(ofFrame: frame, reader)
                let found = (0..<5).map { mean[$0] }
                #expect(found == expected[frame])
            }
            let part = (frames / 3)..<frames
            run.means.mean(ofFrames: part, into: total, reader)
            for channel in 0..<5 {
                let mean = part.reduce(0) { $0 + expected[$1][channel] } / Double(part.count)
                #expect(abs(total[channel] - mean) < 1e-12)
            }
        }
    }

    @Test("selection: two threads go along a segment that is longer than all others by far")
    func pairedWalk() {
        func segment(_ lengths: [Int], _ threads: Int) -> Int? { PairedWalk.segment(of: lengths, threads: threads) }
        #expect(segment([3, 20, 4], 2) == 1)
        #expect(segment([3, 20, 4], 1) == nil)
        #expect(segment([32], 2) == 0)
        #expect(segment([8, 8, 8, 8], 2) == nil)
        #expect(segment([15, 17], 2) == nil)
        #expect(segment([10, 17, 1, 4], 2) == nil)
        #expect(segment([4, 20, 4, 4], 4) == 1)
        #expect(segment([], 4) == nil)
    }

    @Test("selection: the picks of each frame (spec 4, 12.1)", arguments: Seeds.first(60))
    func selection(_ seed: UInt64) throws {
        try forEachClip(seed) { run, story in
            let (selected, _) = Reference.budget(run.shape, run.configuration)
            for frames in run.segmentFrames {
                let expected = Reference.select(
                    run.tokens(frames), attention: run.attention(frames), counts: Array(selected[frames]),
                    run.configuration)
                let found = frames.map { run.selection.picks(ofFrame: $0).buffer.map(Int.init) }
                #expect(found == expected, story)
            }
        }
    }

    @Test("links: the best match in the frame before (spec 5.1)", arguments: Seeds.first(60))
    func links(_ seed: UInt64) throws {
        try forEachClip(seed) { run, story in
            guard run.links.areWanted else { return }
            let n = run.shape.tokensPerFrame
            for frames in run.segmentFrames {
                let (units, isFree) = (run.tokens(frames).map(\.unit), run.isFree(frames))
                for frame in 1..<max(1, frames.count) {
                    let cosines = Reference.cosines(units[frame], units[frame - 1])
                    for index in 0..<n {
                        let row = (0..<n).map {
                            isFree[frame][index] && isFree[frame - 1][$0] ? cosines[index][$0] : -1
                        }
                        let token = (frames.lowerBound + frame) * n + index
                        let (best, parent) = (row.max()!, Int(run.links.parents[token]))
                        let bounds = run.links.bounds(token)
                        #expect(bounds.lower <= best + 1e-12 && bounds.upper >= best - 1e-12 || parent < 0, story)
                        if best > run.configuration.temporalThreshold {
                            #expect(parent == (frames.lowerBound + frame - 1) * n + firstLargest(row), story)
                        } else {
                            // What cannot merge by the threshold may be named or not.
                            #expect(parent < 0 || run.links.similarity(token) <= run.configuration.temporalThreshold)
                        }
                    }
                }
            }
        }
    }

    @Test("forest: merges, trees and aggregates (spec 5.2, 5.3)", arguments: Seeds.first(60))
    func forest(_ seed: UInt64) throws {
        try forEachClip(seed) { run, story in
            let n = run.shape.tokensPerFrame
            let (selected, contextual) = Reference.budget(run.shape, run.configuration)
            let forest = try run.forest()
            var arena = Arena()
            let (reader, total) = try arena.layOut { plan in
                (Forest.Reader(run.input.clip, plan: &plan), plan.table(Double.self, run.shape.channels))
            }
            for frames in run.segmentFrames {
                let floor = selected[frames].reduce(0, +) + contextual * frames.count
                let isFree = run.isFree(frames)
                let expected =
                    run.links.areWanted && frames.count > 1
                    ? Reference.buildTrees(run.tokens(frames), isFree: isFree, floor: floor, run.configuration)
                    : Reference.Forest(singleTokens: run.tokens(frames))
                for frame in 0..<frames.count {
                    let first = (frames.lowerBound + frame) * n
                    for index in 0..<n {
                        let parent = expected.isMerged[frame][index] ? first - n + expected.parent[frame][index] : -1
                        #expect(Int(forest.parents[first + index]) == parent, story)
                        let isRoot = forest.root(of: first + index) == first + index
                        #expect(isRoot == !expected.isMerged[frame][index], story)
                        guard isRoot else { continue }
                        forest.aggregate(root: first + index, into: total, reader)
                        let differences = zip(total.buffer, expected.features[frame][index]).map {
                            abs($0 - $1) / max(1, abs($1))
                        }
                        #expect(differences.allSatisfy { $0 <= 1e-9 }, story)
                    }
                    let roots = (0..<n).filter { isFree[frame][$0] && !expected.isMerged[frame][$0] }
                    #expect(forest.rootCount(frames.lowerBound + frame) == roots.count, story)
                }
            }
        }
    }

    @Test("shares: the contextual budget of each frame (spec 6.1)", arguments: Seeds.first(60))
    func shares(_ seed: UInt64) throws {
        try forEachClip(seed) { run, story in
            let (_, contextual) = Reference.budget(run.shape, run.configuration)
            let forest = try run.forest()
            let shares = try run.shares(forest)
            for frames in run.segmentFrames {
                let expected =
                    contextual > 0
                    ? Reference.allot(
                        frames.map { forest.rootCount($0) }, total: contextual * frames.count, isExact: true)
                    : frames.map { _ in 0 }
                let found = frames.map { shares[$0] }
                #expect(found == expected, story)
            }
        }
    }

    @Test("clusters: density peaks among a frame's roots (spec 6.2)", arguments: Seeds.first(60))
    func clusters(_ seed: UInt64) throws {
        try forEachClip(seed) { run, story in
            let forest = try run.forest()
            let shares = try run.shares(forest)
            let (rows, clusters) = try run.rows(forest, shares)
            var arena = Arena()
            let (reader, total) = try arena.layOut { plan in
                (Forest.Reader(run.input.clip, plan: &plan), plan.table(Double.self, run.shape.channels))
            }
            for frame in 0..<run.shape.frames where shares[frame] > 0 && shares[frame] < forest.rootCount(frame) {
                let roots = run.input.clip.tokens(ofFrame: frame).filter { forest.isClustered($0, segmentFrames: 2) }
                var aggregates = Rows(columns: run.shape.channels)
                for root in roots {
                    forest.aggregate(root: root, into: total, reader)
                    aggregates.append((0..<run.shape.channels).map { total[$0] })
                }
                let (labels, centres) = Reference.densityPeaks(aggregates, clusters: shares[frame])
                let found = roots.map { clusters.centre(ofRoot: $0) }
                #expect(found == labels.map { roots[centres[$0]] }, "frame \(frame), \(story)")
                let contextual = rows.ofFrame(frame).filter { rows.kinds[$0] == .contextual }
                let indices = contextual.map { rows.indices[$0] }
                #expect(indices == centres.map { roots[$0] }.sorted(), story)
            }
        }
    }

    @Test("refinement: nearest rows, means and medoids (spec 12.2, 12.3)", arguments: Seeds.first(60))
    func refinement(_ seed: UInt64) throws {
        func refine(_ configuration: inout Configuration) {
            configuration.refinementRounds = Int(seed % 3)
            configuration.placement = seed % 3 == 0 || seed % 2 == 0 ? .medoid : .centre
        }
        try forEachClip(seed, refine) { run, story in
            let n = run.shape.tokensPerFrame
            let forest = try run.forest()
            let shares = try run.shares(forest)
            let (rows, clusters) = try run.rows(forest, shares)
            let assignment = try run.assignment(rows, clusters, forest)
            guard run.input.refines else { return }
            // What the stage is given, as the reference has it: rows in double, since float32's rounding decides ties.
            var arena = Arena()
            let (reader, total) = try arena.layOut { plan in
                (Forest.Reader(run.input.clip, plan: &plan), plan.table(Double.self, run.shape.channels))
            }
            func value(_ row: Int) -> [Double] {
                guard rows.kinds[row] == .contextual else {
                    return run.source.token(rows.indices[row]).map(Double.init)
                }
                var aggregates = Rows(columns: run.shape.channels)
                for root in run.input.clip.tokens(ofFrame: rows.indices[row] / n)
                where forest.isClustered(root, segmentFrames: 2) && clusters.centre(ofRoot: root) == rows.indices[row] {
                    forest.aggregate(root: root, into: total, reader)
                    aggregates.append(total.buffer.map { $0 })
                }
                return aggregates.mean
            }
            var given: [SegmentRows] = []
            var origin = [Int](repeating: -1, count: run.source.tokenCount)
            for token in origin.indices where assignment.rowOfToken[token] >= 0 {
                origin[token] = rows.indices[Int(assignment.rowOfToken[token])]
            }
            for frames in run.segmentFrames {
                var segment = SegmentRows(first: frames.lowerBound * n, tokens: Rows(columns: run.shape.channels))
                for row in rows.ofFrames(frames) {
                    segment.append(value(row), rows.indices[row], rows.kinds[row])
                }
                given.append(segment)
            }
            try Refinement(rows, assignment, clusters, forest, in: run.space.refinement).run(on: run.team)
            for (segment, frames) in run.segmentFrames.enumerated() {
                Reference.refine(clip: run.tokens(frames), &given[segment], &origin, run.configuration)
                let expected = given[segment].sortedByIndex()
                let found = rows.ofFrames(frames)
                let (indices, kinds) = (found.map { rows.indices[$0] }, found.map { rows.kinds[$0] })
                #expect(indices == expected.indices, story)
                #expect(kinds == expected.kinds, story)
                let differences = zip(found, expected.indices.indices).flatMap { row, number in
                    zip(rows[row].buffer, expected.tokens[number]).map { abs(Double($0) - $1) / max(1, abs($1)) }
                }
                #expect(differences.allSatisfy { $0 <= 1e-5 }, story)
            }
            let found = origin.indices.map { token in
                assignment.rowOfToken[token] < 0 ? -1 : rows.indices[Int(assignment.rowOfToken[token])]
            }
            #expect(found == origin, story)
        }
    }
}
