import ToolSupport

Program.run(as: "flashvid-bench") { arguments in
    let bench = try Bench.parseArguments(arguments)
    Signals.install()
    try bench.measure()
}
