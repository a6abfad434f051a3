#include "jpeg/stuffing.hpp"

#include <cstring>

namespace imnet {

size_t unstuff_scalar(const uint8_t* data, const uint8_t* end, uint8_t* out,
                      const uint8_t** stop) {
  uint8_t* const start = out;
  for (;;) {
    const auto* found = static_cast<const uint8_t*>(std::memchr(data, 0xFF, end - data));
    if (found == nullptr) found = end;
    std::memcpy(out, data, found - data);
    out += found - data;
    // a lone FF at the end is not data
    if (end - found < 2 || found[1] != 0) {
      *stop = found;
      return out - start;
    }
    *out++ = 0xFF;
    data = found + 2;
  }
}

const uint8_t* next_marker_scalar(const uint8_t* data, const uint8_t* end) {
  for (;;) {
    data = static_cast<const uint8_t*>(std::memchr(data, 0xFF, end - data));
    if (data == nullptr || end - data < 2) return end;
    if (data[1] != 0) return data;
    data += 2;
  }
}

uint8_t* stuff_scalar(const uint8_t* data, int first, size_t nbytes, uint8_t* out) {
  const auto word = [&] { return load_big_endian(data) << first | data[8] >> (8 - first); };
  for (; nbytes >= 8; nbytes -= 8, data += 8) out = store_stuffed(word(), 8, out);
  return store_stuffed(word(), int(nbytes), out);
}

}  // namespace imnet
