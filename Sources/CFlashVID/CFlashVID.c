// The C contract is a header; this file makes it a module that SwiftPM builds.
#include "flashvid.h"
