import FlashVIDLibC

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What the process has in physical memory, as Linux counts it.
enum ResidentMemory {
    /// Bytes by which the peak of `body` exceeds what was resident before it; nil where the system does not tell.
    ///
    /// Pages that the allocator holds but does not use are given back first, so that `body` does not come by them
    /// unseen. What earlier work left in use, OpenBLAS' own buffers above all, is resident before and not counted.
    static func peak(during body: () throws -> Void) rethrows -> Int? {
        trimHeap()
        let isReset = resetPeak()
        let before = bytes("VmRSS")
        try body()
        guard isReset, let before, let after = bytes("VmHWM") else { return nil }
        return max(0, after - before)
    }

    /// malloc_trim(3), whose header Swift's Glibc does not have.
    private static func trimHeap() {
        guard let symbol = dlsym(nil, "malloc_trim") else { return }
        typealias Trim = @convention(c) (_ pad: Int) -> CInt
        // Sound: a symbol of this name has this signature.
        _ = unsafeBitCast(symbol, to: Trim.self)(0)
    }

    /// Sets the peak to what is resident now (proc_pid_clear_refs(5), value 5).
    private static func resetPeak() -> Bool {
        guard let file = fopen("/proc/self/clear_refs", "w") else { return false }
        let isWritten = fputs("5", file) >= 0
        return fclose(file) == 0 && isWritten
    }

    /// A line of `/proc/self/status`, which counts in kB.
    private static func bytes(_ name: String) -> Int? {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name + ":") })
        else { return nil }
        return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) }
            .map { $0 * 1024 }
    }
}
