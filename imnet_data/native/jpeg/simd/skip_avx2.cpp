#if defined(__x86_64__)

#define IMNET_SKIP_TARGET __attribute__((target("avx2,bmi,bmi2")))
#define IMNET_SKIP_NAME skip_avx2
#include "jpeg/skip_loop.hpp"

#endif
