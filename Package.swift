// swift-tools-version: 6.3
import PackageDescription

/// Only who builds the documentation resolves its plugin: see scripts/docs.
let documentation: [Package.Dependency] =
    Context.environment["FLASHVID_DOCS"] == nil
    ? [] : [.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0")]

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "FlashVID",
    platforms: [.macOS(.v26)],
    products: [
        .library(name: "FlashVID", targets: ["FlashVID"]),
        // What a host needs around the engine: attention scores, pooling, prompts, pruning, plans.
        .library(name: "FlashVIDHost", targets: ["FlashVIDHost"]),
        .library(name: "FlashVIDFile", targets: ["FlashVIDFile"]),
        // For C and C++; scripts/install builds and installs it.
        .library(name: "flashvid", type: .dynamic, targets: ["FlashVIDABI"]),
        .executable(name: "flashvid-compress", targets: ["flashvid-compress"]),
        .executable(name: "flashvid-bench", targets: ["flashvid-bench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
    ] + documentation,
    targets: [
        .systemLibrary(
            name: "CBLASShim",
            path: "CBLASShim",
            pkgConfig: "openblas",
            providers: [.apt(["libopenblas-dev", "liblapacke-dev"]), .brew(["openblas"])]
        ),
        .target(name: "FlashVIDLibC", swiftSettings: settings),
        .target(name: "CFlashVIDProcess", dependencies: ["CBLASShim"]),
        // Loops over rows, for each level of the machine's vectors. levels.h is included by kernels.c.
        .target(name: "CFlashVIDKernels", exclude: ["levels.h"]),
        .target(
            name: "FlashVID", dependencies: ["CBLASShim", "CFlashVIDKernels", "CFlashVIDProcess", "FlashVIDLibC"],
            swiftSettings: settings),
        .target(name: "FlashVIDHost", dependencies: ["FlashVID", "FlashVIDLibC"], swiftSettings: settings),
        .target(name: "CFlashVID"),
        .target(
            name: "FlashVIDABI",
            dependencies: ["CFlashVID", "CFlashVIDProcess", "FlashVID", "FlashVIDHost", "FlashVIDLibC"],
            swiftSettings: settings),
        .target(name: "FlashVIDFile", dependencies: ["FlashVID", "FlashVIDLibC"], swiftSettings: settings),
        .target(
            name: "FlashVIDReport",
            dependencies: ["CBLASShim", "CFlashVIDProcess", "FlashVID", "FlashVIDLibC"],
            // Inside the program: a page needs no file beside the tool that writes it.
            resources: [
                .embedInCode("Resources/page.html"), .embedInCode("Resources/page.css"),
                .embedInCode("Resources/page.js"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "ToolSupport",
            dependencies: [
                "CFlashVID", "FlashVID", "FlashVIDFile", "FlashVIDLibC",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "flashvid-compress",
            dependencies: [
                "FlashVID", "FlashVIDFile", "FlashVIDLibC", "FlashVIDReport", "ToolSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "flashvid-bench",
            dependencies: [
                "CBLASShim", "FlashVID", "FlashVIDFile", "FlashVIDHost", "FlashVIDLibC", "ToolSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
        .target(
            name: "TestSupport", dependencies: ["FlashVIDFile"], path: "Tests/TestSupport", swiftSettings: settings),
        .testTarget(
            name: "FlashVIDTests",
            dependencies: [
                "AllocationCounter", "CBLASShim", "CFlashVIDKernels", "FlashVID", "FlashVIDFile", "FlashVIDLibC",
                "TestSupport",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "FlashVIDHostTests",
            dependencies: ["AllocationCounter", "FlashVID", "FlashVIDFile", "FlashVIDHost", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "FlashVIDReportTests",
            dependencies: ["FlashVID", "FlashVIDFile", "FlashVIDReport", "TestSupport"],
            swiftSettings: settings),
        .testTarget(name: "FlashVIDFileTests", dependencies: ["FlashVID", "FlashVIDFile"], swiftSettings: settings),
        .testTarget(
            name: "BenchToolTests",
            dependencies: ["FlashVID", "FlashVIDFile", "FlashVIDHost", "ToolSupport", "flashvid-bench"],
            swiftSettings: settings),
        .testTarget(
            name: "CompressToolTests", dependencies: ["FlashVID", "FlashVIDFile", "flashvid-compress"],
            swiftSettings: settings),
    ]
)
