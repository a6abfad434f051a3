#if defined(__x86_64__)

#include "cpu/vectors_avx512.hpp"

#define IMNET_COLOR_NAME kColorAvx512
#include "jpeg/simd/color_x86.hpp"

#endif
