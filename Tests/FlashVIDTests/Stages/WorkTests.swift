import Synchronization
import TestSupport
import Testing

@testable import FlashVID

@Suite("Work and memory")
struct WorkTests {
    @Test("a queue that is stolen from hands out every unit once", arguments: [1, 2, 3, 8])
    func queue(_ threads: Int) throws {
        let pool = try WorkerPool(threads: threads, multiplying: false)
        for units in [0, 1, 2, 7, 1000, 20_000] {
            var arena = Arena()
            let words = try arena.layOut { plan in plan.table(UInt64.self, threads) }
            let queue = WorkStealingQueue(units, in: words)
            let taken = Guarded<[[Int]]>(Array(repeating: [], count: threads))
            pool.run(threads) { _, thread in
                var own: [Int] = []
                while let unit = queue.next(for: thread) { own.append(unit) }
                taken.withLock { $0[thread] = own }
            }
            let all = taken.withLock { $0 }
            #expect(all.joined().sorted() == Array(0..<units))
            for thread in 0..<threads {
                let own = (units * thread / threads)..<(units * (thread + 1) / threads)
                let walked = all[thread].filter { own.contains($0) }
                #expect(walked == walked.sorted(), "a thread walks along its own stretch from the front")
            }
        }
    }

    @Test("what is overlaid shares its memory, and what follows lies behind the longer")
    func overlay() throws {
        var arena = Arena()
        let (first, second, third, after) = try arena.layOut { plan in
            let (first, others) = plan.overlay(
                { plan in plan.table(UInt8.self, 1000) },
                { plan in plan.overlay({ $0.table(Double.self, 10) }, { $0.table(Double.self, 500) }) })
            return (first, others.0, others.1, plan.table(Int32.self, 4))
        }
        #expect(UnsafeRawPointer(first.base) == UnsafeRawPointer(second.base))
        #expect(UnsafeRawPointer(first.base) == UnsafeRawPointer(third.base))
        #expect(UnsafeRawPointer(after.base) >= UnsafeRawPointer(third.base) + 4000)
        #expect(UnsafeRawPointer(after.base) < UnsafeRawPointer(third.base) + 4000 + 64)
    }

    @Test("a memo makes again what it made for another")
    func memo() throws {
        var arena = Arena()
        let memo = try arena.layOut { plan in Memo(plan: &plan) }
        memo.forget()
        var made: [Int] = []
        for wanted in [3, 3, 0, 3, 3] { memo(wanted) { made.append(wanted) } }
        memo.forget()
        memo(3) { made.append(3) }
        #expect(made == [3, 0, 3, 3])
    }
}
