# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Finds libwebp, whose packages bring CMake files only on some systems. Defines
# WebPDecoder::WebPDecoder. Used by our build and, installed, by the projects that find gemma3.
find_path(WebPDecoder_INCLUDE_DIR webp/decode.h)
find_library(WebPDecoder_LIBRARY NAMES webp)
mark_as_advanced(WebPDecoder_INCLUDE_DIR WebPDecoder_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(WebPDecoder
                                  REQUIRED_VARS WebPDecoder_LIBRARY WebPDecoder_INCLUDE_DIR)
if(WebPDecoder_FOUND AND NOT TARGET WebPDecoder::WebPDecoder)
  add_library(WebPDecoder::WebPDecoder UNKNOWN IMPORTED)
  set_target_properties(WebPDecoder::WebPDecoder PROPERTIES
    IMPORTED_LOCATION "${WebPDecoder_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${WebPDecoder_INCLUDE_DIR}")
endif()
