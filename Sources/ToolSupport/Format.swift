/// Numbers for a person.
package enum Format {
    /// Three digits, more where a number has more before the point.
    package static func number(_ value: Double) -> String {
        let magnitude = value.magnitude
        let places = magnitude < 9.995 ? 2 : magnitude < 99.95 ? 1 : 0
        let scale = [1, 10, 100][places]
        let scaled = (magnitude * Double(scale)).rounded()
        // Far beyond what a time or a share can be; the conversion would trap.
        guard scaled < 1e15 else { return "\(value)" }
        let digits = Int(scaled)
        let sign = value < 0 ? "-" : ""
        guard places > 0 else { return "\(sign)\(digits)" }
        let fraction = String(digits % scale)
        return "\(sign)\(digits / scale).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
    }

    package static func percent(_ share: Double) -> String { number(share * 100) + " %" }

    package static func time(_ seconds: Double) -> String {
        seconds < 0.9995 ? number(seconds * 1e3) + " ms" : number(seconds) + " s"
    }
}
