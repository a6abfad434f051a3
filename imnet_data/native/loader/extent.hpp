// A piece of a file that will be read, and the two ways to have it before that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "loader/slabs.hpp"

namespace imnet {

struct Extent {
  int file = -1;  // below 0: open `path` for as long as it takes
  std::string path;
  int64_t offset = 0;
  int64_t nbytes = 0;
  bool direct = false;  // past the page cache: `path` is opened anew
  bool whole = false;   // there must be nothing else in the file
};

// Returns the memory that read_direct() needs for an extent; 0 where it cannot be in any file.
size_t direct_nbytes(const Extent& extent);

// Asks the system to read an extent into the page cache, by posix_fadvise(POSIX_FADV_WILLNEED), and
// waits for it where it is told to; returns whether it was there already. What fails here fails again
// where it is read, and is said there.
bool ask(const Extent& extent, bool wait);

// Reads an extent into `memory`, past the page cache (O_DIRECT). Returns where it begins in there;
// null where all of it is in the page cache, or it cannot be read in this way.
const uint8_t* read_direct(const Extent& extent, const Piece& memory);

}  // namespace imnet
