import FlashVIDFile

/// libFuzzer on the safetensors reader: whatever the bytes, a file whose tensors can be read or an error.
@c(LLVMFuzzerTestOneInput)
public func fuzzSafetensors(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let buffer = UnsafeBufferPointer(start: bytes, count: count)
    guard let file = try? SafetensorsFile(bytes: Array(buffer)) else { return 0 }
    for entry in file.entries {
        _ = try? file.withBytes(of: entry.name) { bytes in bytes.reduce(UInt8(0)) { $0 ^ $1 } }
        _ = try? file.floats(entry.name)
        _ = try? file.integers(entry.name)
    }
    return 0
}
