#if defined(__x86_64__)

#include "cpu/vectors_avx512.hpp"

#define IMNET_UPSAMPLE_NAME kUpsampleAvx512
#include "jpeg/simd/upsample_x86.hpp"

#endif
