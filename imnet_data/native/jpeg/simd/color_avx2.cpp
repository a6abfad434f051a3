#if defined(__x86_64__)

#include "cpu/vectors_avx2.hpp"

#define IMNET_COLOR_NAME kColorAvx2
#include "jpeg/simd/color_x86.hpp"

#endif
