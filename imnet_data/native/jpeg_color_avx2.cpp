#if defined(__x86_64__)

#include "simd_avx2.hpp"

#define IMNET_COLOR_NAME kColorAvx2
#include "jpeg_color_loop.hpp"

#endif
