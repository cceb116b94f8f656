package enum OrderStatistic {
    /// The value of a rank, 0 for the smallest. Reorders `values`. O(n) on average.
    package static func smallest(_ rank: Int, of values: UnsafeMutableBufferPointer<Double>) -> Double {
        var low = 0
        var high = values.count - 1
        while low < high {
            // Three parts, below, equal and above the pivot, since repeated frames repeat values.
            let pivot = median(values[low], values[low + (high - low) / 2], values[high])
            var (below, at, above) = (low, low, high)
            while at <= above {
                if values[at] < pivot {
                    values.swapAt(at, below)
                    below += 1
                    at += 1
                } else if values[at] > pivot {
                    values.swapAt(at, above)
                    above -= 1
                } else {
                    at += 1
                }
            }
            if rank < below {
                high = below - 1
            } else if rank > above {
                low = above + 1
            } else {
                return pivot
            }
        }
        return values[low]
    }

    private static func median(_ a: Double, _ b: Double, _ c: Double) -> Double {
        max(min(a, b), min(max(a, b), c))
    }
}
