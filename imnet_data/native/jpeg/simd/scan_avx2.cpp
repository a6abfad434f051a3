#if defined(__x86_64__)

#include "jpeg/simd/idct_avx2.hpp"

#define IMNET_SCAN_BMI2
#define IMNET_SCAN_TARGET IMNET_AVX2
#define IMNET_IDCT idct_block
#define IMNET_SCAN_NAME scan_avx2
#define IMNET_SCAN_LANES_NAME scan_lanes_avx2
#include "jpeg/scan_loop.hpp"
#include "jpeg/scan_lanes.hpp"

namespace imnet {

IMNET_AVX2 void idct_avx2(int16_t* coefficients, const int16_t* quant, uint8_t* out,
                          ptrdiff_t stride) {
  idct_block(coefficients, quant, out, stride);
}

}  // namespace imnet

#endif
