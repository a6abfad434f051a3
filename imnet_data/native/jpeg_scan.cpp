#include "jpeg_scan.hpp"

#include <cstring>

#define IMNET_SCAN_TARGET
#define IMNET_IDCT idct_scalar
#define IMNET_SCAN_NAME scan_scalar
#include "jpeg_scan_loop.hpp"

namespace imnet {

size_t unstuff(const uint8_t* data, const uint8_t* end, uint8_t* out, const uint8_t** stop) {
  uint8_t* const start = out;
  for (;;) {
    const auto* found = static_cast<const uint8_t*>(std::memchr(data, 0xFF, end - data));
    if (found == nullptr) found = end;
    std::memcpy(out, data, found - data);
    out += found - data;
    // a lone FF at the end is no data
    if (end - found < 2 || found[1] != 0) {
      *stop = found;
      return out - start;
    }
    *out++ = 0xFF;
    data = found + 2;
  }
}

const uint8_t* next_marker(const uint8_t* data, const uint8_t* end) {
  for (;;) {
    data = static_cast<const uint8_t*>(std::memchr(data, 0xFF, end - data));
    if (data == nullptr || end - data < 2) return end;
    if (data[1] != 0) return data;
    data += 2;
  }
}

}  // namespace imnet
