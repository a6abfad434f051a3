#if defined(__x86_64__)

#include "cpu/vectors_avx512.hpp"

#define IMNET_PASSES_NAME kResizeAvx512
#define IMNET_NARROWER_PASSES kResizeAvx2
#include "resize/simd/passes_x86.hpp"

#endif
