// A mapped file that shrinks ends the process with a line that names it, not with SIGBUS.
#pragma once

#include <cstddef>

namespace imnet {

// Names the file behind these bytes from now on, with `text` as the line to end with; returns the
// number of the guard, or -1 where there are too many: SIGBUS is what it was then.
int guard_mapping(const void* address, size_t nbytes, const char* text);

// Ends a guard; the bytes may be of something else from now on.
void unguard_mapping(int number);

}  // namespace imnet
