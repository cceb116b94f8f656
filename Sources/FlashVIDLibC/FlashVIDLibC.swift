// The platform's C library under one name, so that no other file has to ask for the platform. Re-exported with an attribute
// that has no official spelling yet, since a module of headers would lack what Swift adds to them (`errno`, `log` of a Double).

#if canImport(Glibc)
    @_exported public import Glibc
#elseif canImport(Musl)
    @_exported public import Musl
#elseif canImport(Darwin)
    @_exported public import Darwin
#endif
