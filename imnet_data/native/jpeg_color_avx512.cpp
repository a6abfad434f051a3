#if defined(__x86_64__)

#include "simd_avx512.hpp"

#define IMNET_COLOR_NAME kColorAvx512
#include "jpeg_color_loop.hpp"

#endif
