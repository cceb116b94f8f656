import ToolSupport

Program.run(as: "flashvid-compress") { arguments in
    let command = try Command.parseArguments(arguments)
    ProgressBar.prepareForSignals()
    Signals.install(cleaning: { ProgressBar.clearLine() })
    try command.compress()
}
