package import FlashVID

/// A page that shows what was kept of a clip: one HTML file that asks nothing of any network.
package struct Page {
    /// The retention ratios between which its slider chooses.
    package static let retentions = [0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50]

    /// What the page calls the clip, and who made the page.
    package var name: String
    package var tool: String
    /// What the clip's file says about it.
    package var metadata: [String: String]
    package var configuration: Configuration
    /// The configuration as JSON.
    package var configurationText: String
    package var transitions: [Double]
    package var segmentLengths: [Int]
    /// In the order of their rows.
    package var steps: [Step]
    /// The step of the configuration itself.
    package var ownStep: Int
    /// One a frame, or none.
    package var pictures: [Picture]
    package var evaluation: Evaluation?

    package init(
        name: String, tool: String, metadata: [String: String], configuration: Configuration,
        configurationText: String, transitions: [Double], segmentLengths: [Int], steps: [Step], ownStep: Int,
        pictures: [Picture], evaluation: Evaluation?
    ) {
        self.name = name
        self.tool = tool
        self.metadata = metadata
        self.configuration = configuration
        self.configurationText = configurationText
        self.transitions = transitions
        self.segmentLengths = segmentLengths
        self.steps = steps
        self.ownStep = ownStep
        self.pictures = pictures
        self.evaluation = evaluation
    }

    /// The page's bytes, in UTF-8.
    package func html(of footage: Footage) -> [UInt8] {
        var page = PageText()
        var rest = PackageResources.page_html[...]
        while let (before, name, after) = Self.split(rest) {
            page.append(Array(before))
            switch name {
            case "style": page.append(PackageResources.page_css)
            case "script": page.append(PackageResources.page_js)
            default: append(data: footage, to: &page)
            }
            rest = after
        }
        page.append(Array(rest))
        return page.bytes
    }

    /// The template's next place for something, `{{name}}`, and what stands around it.
    private static func split(_ text: ArraySlice<UInt8>) -> (ArraySlice<UInt8>, String, ArraySlice<UInt8>)? {
        let (open, close) = (UInt8(ascii: "{"), UInt8(ascii: "}"))
        func double(_ byte: UInt8, from start: Int) -> Int? {
            text.indices.dropLast().first { $0 >= start && text[$0] == byte && text[$0 + 1] == byte }
        }
        guard let start = double(open, from: text.startIndex), let end = double(close, from: start) else { return nil }
        return (text[..<start], String(decoding: text[(start + 2)..<end], as: UTF8.self), text[(end + 2)...])
    }

    // MARK: Data

    private func append(data footage: Footage, to page: inout PageText) {
        let shape = footage.shape
        page.append("{\"name\":")
        page.append(json: name)
        page.append(",\"tool\":")
        page.append(json: tool)
        page.append(",\"metadata\":")
        page.append(list: metadata.sorted { $0.key < $1.key }) { page, pair in
            page.append(list: [pair.key, pair.value]) { $0.append(json: $1) }
        }
        page.append(",\"configuration\":")
        page.append(json: configurationText)
        page.append(",\"frames\":\(shape.frames),\"tokens\":\(shape.tokensPerFrame),\"channels\":\(shape.channels)")
        page.append(",\"columns\":\(footage.grid.columns),\"rows\":\(footage.grid.rows)")
        page.append(",\"type\":")
        page.append(json: "\(footage.type)")
        page.append(",\"attention\":\(footage.attention != nil)")
        page.append(",\"segmentThreshold\":")
        page.append(json: configuration.segmentation ? configuration.segmentThreshold : .nan, places: 4)
        page.append(",\"temporalThreshold\":")
        page.append(json: configuration.temporalThreshold, places: 4)
        page.append(",\"transitions\":")
        page.append(list: transitions) { $0.append(json: $1, places: 4) }
        page.append(",\"segments\":")
        page.append(list: segmentLengths) { $0.append("\($1)") }
        page.append(",\"own\":\(ownStep),\"steps\":")
        page.append(list: steps) { Self.append($1, to: &$0) }
        if pictures.isEmpty {
            page.append(",\"colours\":")
            page.append(base64: PrincipalColours.of(footage))
        } else {
            page.append(",\"pictures\":")
            page.append(list: pictures) { $0.append(base64: $1.bytes, prefix: "data:\($1.mediaType);base64,") }
        }
        if let evaluation {
            page.append(",\"evaluation\":")
            Self.append(evaluation, to: &page)
        }
        page.append("}")
    }

    private static func append(_ step: Step, to page: inout PageText) {
        page.append("{\"retention\":")
        page.append(json: step.retention ?? .nan, places: 6)
        page.append(",\"rows\":\(step.rows),\"selected\":\(step.selected),\"contextual\":\(step.contextual)")
        let forest = step.forest
        page.append(",\"merged\":\(forest.mergedTokens),\"trees\":\(forest.trees)")
        page.append(",\"largestTree\":\(forest.largestTree),\"deepestTree\":\(forest.deepestTree)")
        page.append(",\"meanDepth\":")
        page.append(json: step.meanDepth, places: 2)
        page.append(",\"meanSize\":")
        page.append(json: step.meanSize, places: 2)
        page.append(",\"kinds\":")
        page.append(base64: step.kinds)
        page.append(",\"parents\":")
        page.append(packed: step.parents)
        page.append(",\"members\":")
        page.append(packed: step.members)
        page.append("}")
    }

    private static func append(_ evaluation: Evaluation, to page: inout PageText) {
        page.append("{\"effectiveRank\":")
        page.append(json: evaluation.effectiveRank, places: 2)
        page.append(",\"points\":")
        page.append(list: evaluation.points) { page, point in
            page.append("{\"rows\":\(point.rows)")
            for (name, scores) in [("coverage", point.coverage), ("energy", point.energy)] {
                page.append(",\"\(name)\":")
                page.append(list: [scores.kept, scores.uniform, scores.attention]) { $0.append(json: $1, places: 5) }
            }
            page.append("}")
        }
        page.append("}")
    }
}
