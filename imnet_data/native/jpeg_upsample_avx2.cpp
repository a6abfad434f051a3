#if defined(__x86_64__)

#include "simd_avx2.hpp"

#define IMNET_UPSAMPLE_NAME kUpsampleAvx2
#include "jpeg_upsample_loop.hpp"

#endif
