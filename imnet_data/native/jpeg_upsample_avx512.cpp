#if defined(__x86_64__)

#include "simd_avx512.hpp"

#define IMNET_UPSAMPLE_NAME kUpsampleAvx512
#include "jpeg_upsample_loop.hpp"

#endif
