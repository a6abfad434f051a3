// A block is 8 x 8 and its rows fit AVX2: the same transform, with the registers of AVX-512.

#if defined(__x86_64__)

#include "cpu/vectors_avx512.hpp"
#include "jpeg/simd/idct_avx2.hpp"

#define IMNET_SCAN_BMI2
#define IMNET_SCAN_TARGET IMNET_AVX512
#define IMNET_IDCT idct_block
#define IMNET_SCAN_NAME scan_avx512
#define IMNET_SCAN_LANES_NAME scan_lanes_avx512
#include "jpeg/scan_loop.hpp"
#include "jpeg/scan_lanes.hpp"

#endif
