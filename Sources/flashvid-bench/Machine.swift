import CBLASShim
import FlashVID
import FlashVIDLibC

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What a figure depends on besides the code: `machine` in `--json`.
struct Machine: Fields, Equatable {
    /// The processor's name.
    var cpu: String
    /// Cores on line.
    var cores: Int
    /// Most threads of any row.
    var coresUsed: Int
    var blas: String
    /// Name of the kernels that OpenBLAS chose.
    var blasCore: String
    var blasVersion: String
    /// What OpenBLAS says of its build.
    var blasConfig: String
    /// The `OPENBLAS_*` variables in force.
    var openblasEnvironment: [String: String]
    /// The compiler that made this program.
    var swift: String
    /// The commit of the checkout that the program is run in, with `-dirty` if it has changes; `unknown` elsewhere.
    var commit: String
    /// Where the clips come from.
    var clip: String
    /// Of a generated clip.
    var seed: UInt64?
    /// Measured SGEMM peak in GFLOP/s by number of threads.
    var peakGflops: [String: Double] = [:]
}

extension Machine {
    /// This one.
    init(coresUsed: Int, clip: String, seed: UInt64?) {
        let config = openblas_get_config().map { String(cString: $0) } ?? ""
        let words = config.split(separator: " ").map(String.init)
        cpu = Self.processorName
        cores = WorkerPool.availableCores
        self.coresUsed = coresUsed
        blas = words.first ?? "OpenBLAS"
        blasCore = openblas_get_corename().map { String(cString: $0) } ?? "unknown"
        blasVersion = words.count > 1 ? words[1] : "unknown"
        blasConfig = config
        openblasEnvironment = ProcessInfo.processInfo.environment.filter { $0.key.hasPrefix("OPENBLAS_") }
        swift = Self.compiler
        commit = Self.checkedOutCommit
        self.clip = clip
        self.seed = seed
    }

    private static var processorName: String {
        #if canImport(Darwin)
            var size = 0
            sysctlbyname("machdep.cpu.brand_string", nil, &size, nil, 0)
            var bytes = [UInt8](repeating: 0, count: size)
            sysctlbyname("machdep.cpu.brand_string", &bytes, &size, nil, 0)
            return size > 1 ? String(decoding: bytes.prefix(size - 1), as: UTF8.self) : "unknown"
        #else
            let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
            let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
            let name = line?.split(separator: ":", maxSplits: 1).last.map { String($0.drop { $0 == " " }) }
            return name ?? "unknown"
        #endif
    }

    /// The compiler tells its version only by comparison.
    private static var compiler: String {
        #if compiler(>=6.4)
            "6.4 or later"
        #elseif compiler(>=6.3.4)
            "6.3.4 or a later 6.3"
        #elseif compiler(>=6.3.3)
            "6.3.3"
        #elseif compiler(>=6.3.2)
            "6.3.2"
        #elseif compiler(>=6.3.1)
            "6.3.1"
        #else
            "6.3"
        #endif
    }

    private static var checkedOutCommit: String {
        let command =
            "cd \"$(git rev-parse --show-toplevel)\" && test -d Sources/flashvid-bench"
            + " && git describe --always --dirty --abbrev=12 --exclude='*'"
        guard let pipe = popen("{ \(command); } 2>/dev/null", "r") else { return "unknown" }
        var text: [UInt8] = []
        while case let byte = getc(pipe), byte != EOF { text.append(UInt8(truncatingIfNeeded: byte)) }
        let line = String(decoding: text, as: UTF8.self).split(separator: "\n").first.map(String.init)
        return pclose(pipe) == 0 ? line ?? "unknown" : "unknown"
    }
}
