// The C contract is two headers; this file makes them a module that SwiftPM builds.
#include "flashvid_host.h"
