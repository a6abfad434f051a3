#include "jpeg/scan.hpp"

#if defined(__aarch64__)

#include "jpeg/simd/idct_neon.hpp"

#define IMNET_SCAN_TARGET
#define IMNET_IDCT idct_block
#define IMNET_SCAN_NAME scan_neon
#define IMNET_SCAN_LANES_NAME scan_lanes_neon
#include "jpeg/scan_loop.hpp"
#include "jpeg/scan_lanes.hpp"

namespace imnet {

void idct_neon(int16_t* coefficients, const int16_t* quant, uint8_t* out, ptrdiff_t stride) {
  idct_block(coefficients, quant, out, stride);
}

}  // namespace imnet

#endif
