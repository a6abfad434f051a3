// The parts of the Python module; each of the other files here adds its own functions.
#pragma once

#include <nanobind/nanobind.h>

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

void bind_jpeg(nanobind::module_& m);
void bind_pixels(nanobind::module_& m);
void bind_loader(nanobind::module_& m);
void bind_sha256(nanobind::module_& m);

}  // namespace imnet
