#if defined(__x86_64__)

#include "cpu/vectors_avx2.hpp"

#define IMNET_UPSAMPLE_NAME kUpsampleAvx2
#include "jpeg/simd/upsample_x86.hpp"

#endif
