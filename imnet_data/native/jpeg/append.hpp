// Bytes at the end of a file that is being written.
#pragma once

#include <cstdint>
#include <vector>

namespace imnet {

inline void append(std::vector<uint8_t>& out, const uint8_t* begin, const uint8_t* end) {
  out.insert(out.end(), begin, end);
}

}  // namespace imnet
