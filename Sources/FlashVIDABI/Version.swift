public import CFlashVID
internal import CFlashVIDProcess

/// A constant string as C wants it; it lives as long as the process.
func constant(_ text: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// The header's version string, in memory that stays. Written once and only read.
nonisolated(unsafe) let versionString: UnsafePointer<CChar> = {
    let text = FLASHVID_VERSION_STRING.utf8CString
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: text.count)
    for (index, byte) in text.enumerated() { copy[index] = byte }
    return UnsafePointer(copy)
}()

@c @implementation
public func flashvid_version() -> Int32 {
    // The macro FLASHVID_VERSION is an expression, which Swift does not see.
    Int32(FLASHVID_VERSION_MAJOR * 1_000_000 + FLASHVID_VERSION_MINOR * 1000 + FLASHVID_VERSION_PATCH)
}

@c @implementation
public func flashvid_version_string() -> UnsafePointer<CChar>! {
    flashvid_process_prepare(rehearse)
    return versionString
}

@c @implementation
public func flashvid_status_name(_ status: flashvid_status) -> UnsafePointer<CChar>! {
    let names: StaticString =
        switch Int(status) {
        case Int(FLASHVID_OK): "FLASHVID_OK"
        case Int(FLASHVID_NULL_POINTER): "FLASHVID_NULL_POINTER"
        case Int(FLASHVID_INVALID_ARGUMENT): "FLASHVID_INVALID_ARGUMENT"
        case Int(FLASHVID_INVALID_STRUCT): "FLASHVID_INVALID_STRUCT"
        case Int(FLASHVID_UNSUPPORTED): "FLASHVID_UNSUPPORTED"
        case Int(FLASHVID_INVALID_CONFIGURATION): "FLASHVID_INVALID_CONFIGURATION"
        case Int(FLASHVID_INVALID_SHAPE): "FLASHVID_INVALID_SHAPE"
        case Int(FLASHVID_SIZE_OVERFLOW): "FLASHVID_SIZE_OVERFLOW"
        case Int(FLASHVID_INVALID_STRIDE): "FLASHVID_INVALID_STRIDE"
        case Int(FLASHVID_MISALIGNED): "FLASHVID_MISALIGNED"
        case Int(FLASHVID_OVERLAP): "FLASHVID_OVERLAP"
        case Int(FLASHVID_BUFFER_TOO_SMALL): "FLASHVID_BUFFER_TOO_SMALL"
        case Int(FLASHVID_NOT_FINITE): "FLASHVID_NOT_FINITE"
        case Int(FLASHVID_NEGATIVE_ATTENTION): "FLASHVID_NEGATIVE_ATTENTION"
        case Int(FLASHVID_NOT_REPRESENTABLE): "FLASHVID_NOT_REPRESENTABLE"
        case Int(FLASHVID_OUT_OF_MEMORY): "FLASHVID_OUT_OF_MEMORY"
        case Int(FLASHVID_BUSY): "FLASHVID_BUSY"
        case Int(FLASHVID_NO_SEGMENT): "FLASHVID_NO_SEGMENT"
        case Int(FLASHVID_SEGMENT_PENDING): "FLASHVID_SEGMENT_PENDING"
        case Int(FLASHVID_FINISHED): "FLASHVID_FINISHED"
        case Int(FLASHVID_NOT_TRIED): "FLASHVID_NOT_TRIED"
        case Int(FLASHVID_OUT_OF_RANGE): "FLASHVID_OUT_OF_RANGE"
        case Int(FLASHVID_INVALID_ORDER): "FLASHVID_INVALID_ORDER"
        case Int(FLASHVID_IMPOSSIBLE): "FLASHVID_IMPOSSIBLE"
        case Int(FLASHVID_FORKED): "FLASHVID_FORKED"
        case Int(FLASHVID_CANCELLED): "FLASHVID_CANCELLED"
        default: "FLASHVID_UNKNOWN"
        }
    return constant(names)
}
