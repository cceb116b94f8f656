import FlashVIDLibC

/// Memory that the process may have.
package enum MachineMemory {
    /// Bytes of the machine, or of the control group that the process is in where that has less.
    package static var bytes: Int {
        let pages = sysconf(Int32(_SC_PHYS_PAGES))
        let (bytes, overflow) = pages.multipliedReportingOverflow(by: sysconf(Int32(_SC_PAGESIZE)))
        return min(overflow || bytes <= 0 ? .max : bytes, groupLimit)
    }

    /// The largest clip that is read, in bytes. Compressing needs 1.3 times the clip.
    package static var largestInput: Int { bytes / 4 * 3 }

    /// The least of the limits on the group's way up.
    private static var groupLimit: Int {
        var limit = Int.max
        for line in text(of: "/proc/self/cgroup").split(separator: "\n") {
            // 0::/user.slice of version 2; 5:memory:/docker/… of version 1.
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let root: String
            let file: String
            if fields[1].isEmpty {
                (root, file) = ("/sys/fs/cgroup", "memory.max")
            } else if fields[1].split(separator: ",").contains("memory") {
                (root, file) = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            } else {
                continue
            }
            var group = fields[2]
            while true {
                // "max" where there is none.
                if let bytes = Int(text(of: "\(root)\(group)/\(file)").prefix { $0.isNumber }) {
                    limit = min(limit, bytes)
                }
                guard let slash = group.lastIndex(of: "/") else { break }
                group = group[..<slash]
            }
        }
        return limit
    }

    /// The beginning of a file of the system's, empty where there is none.
    private static func text(of path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 14)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
