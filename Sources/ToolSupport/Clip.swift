package import FlashVID
package import FlashVIDFile

/// The input: features and, if the file has them, attention.
package struct Clip {
    package static let features = "features"
    package static let attention = "attention"

    package let file: SafetensorsFile
    package let shape: ClipShape
    package let type: ScalarType
    package let attention: [Float]?

    /// `progress` is called with a share in 0...1.
    package init(contentsOf input: InputFile, progress: ((Double) -> Void)? = nil) throws {
        file = try SafetensorsFile(
            contentsOf: input, maximumBytes: MachineMemory.largestInput, progress: progress)
        let path = file.path
        guard let features = file.entry(Self.features) else {
            throw SafetensorsError.missingTensor(file: path, tensor: Self.features)
        }
        type = try Self.scalarType(of: features, path)
        guard features.shape.count == 3 else {
            throw Failure(
                input: "\(path): features have the shape \(features.shape); expected [frames, tokens, channels]")
        }
        shape = ClipShape(
            frames: features.shape[0], tokensPerFrame: features.shape[1], channels: features.shape[2])
        guard let attention = file.entry(Self.attention) else {
            self.attention = nil
            return
        }
        _ = try Self.scalarType(of: attention, path)
        guard attention.shape == [shape.frames, shape.tokensPerFrame] else {
            throw Failure(
                input: "\(path): attention has the shape \(attention.shape); "
                    + "features of \(features.shape) need \([shape.frames, shape.tokensPerFrame])")
        }
        self.attention = try file.floats(Self.attention)
    }

    private static func scalarType(of entry: SafetensorsFile.Entry, _ path: String) throws -> ScalarType {
        guard let type = entry.type.scalarType else {
            throw SafetensorsError.wrongType(
                file: path, tensor: entry.name, found: entry.type, expected: "F32, F16 or BF16")
        }
        return type
    }

    /// The clip, compressed; an error names the file.
    package func compressed(by compressor: inout Compressor, progress: ((Double) -> Void)?) throws -> CompressedVideo {
        var video = CompressedVideo()
        do {
            try file.withBytes(of: Self.features) { features in
                if let attention {
                    try attention.withUnsafeBufferPointer { attention in
                        try compressor.compress(
                            features, of: type, shape: shape, attention: attention, into: &video, progress: progress)
                    }
                } else {
                    try compressor.compress(features, of: type, shape: shape, into: &video, progress: progress)
                }
            }
        } catch let error as FlashVIDError {
            throw Failure(error, path: file.path)
        }
        return video
    }
}
