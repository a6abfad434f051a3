#if defined(__x86_64__)

#include "cpu/features.hpp"

#define IMNET_SKIP_TARGET IMNET_AVX2
#define IMNET_SKIP_NAME skip_avx2
#include "jpeg/skip_loop.hpp"

#endif
