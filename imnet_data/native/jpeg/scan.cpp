#include "jpeg/scan.hpp"

#include <cstring>

#define IMNET_SCAN_TARGET
#define IMNET_IDCT idct_scalar
#define IMNET_SCAN_NAME scan_scalar
#include "jpeg/scan_loop.hpp"

namespace imnet {

const uint8_t* next_marker(const uint8_t* data, const uint8_t* end) {
  for (;;) {
    data = static_cast<const uint8_t*>(std::memchr(data, 0xFF, end - data));
    if (data == nullptr || end - data < 2) return end;
    if (data[1] != 0) return data;
    data += 2;
  }
}

}  // namespace imnet
