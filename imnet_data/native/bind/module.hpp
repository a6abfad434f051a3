// The parts of the Python module; each of the other files here adds its own functions.
#pragma once

#include <nanobind/nanobind.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace imnet {

// Any object with a buffer of contiguous bytes, which stay where they are until this is destroyed
// (under the GIL).
class Bytes {
 public:
  explicit Bytes(nanobind::handle object) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) != 0) throw nanobind::python_error();
  }
  ~Bytes() { PyBuffer_Release(&view_); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  const uint8_t* data() const { return static_cast<const uint8_t*>(view_.buf); }
  size_t size() const { return static_cast<size_t>(view_.len); }

 private:
  Py_buffer view_;
};

// Releases the GIL for as long as it lives.
//
// While the interpreter is finalizing, Python before 3.14 ends a daemon thread that asks for the GIL
// with pthread_exit, whose unwinding aborts the process at the first noexcept frame. Such a thread
// waits here for the end of the process instead, as 3.14 has it wait.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      for (;;) pause();  // to leave the handler without throwing on would abort, too
    }
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};

void bind_jpeg(nanobind::module_& m);
void bind_pixels(nanobind::module_& m);
void bind_loader(nanobind::module_& m);
void bind_read_ahead(nanobind::module_& m);
void bind_hashes(nanobind::module_& m);
void bind_mapping(nanobind::module_& m);

}  // namespace imnet
