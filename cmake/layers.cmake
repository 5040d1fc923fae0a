# SPDX-License-Identifier: GPL-2.0-or-later
#
# A layer is a static library of all the sources of one folder. Static libraries
# leave undefined symbols to whoever links the program, who has every layer at
# hand: an upward call would pass unseen. So each layer is also linked, all of
# it, against just the layers it names, with undefined symbols forbidden.

function(servalab_sources out folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.c)
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

function(servalab_layer name folder)
  servalab_sources(sources ${folder})
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARGN})
  # For programs that may use them all; upper ones first, as linkers want them.
  get_property(layers GLOBAL PROPERTY SERVALAB_LAYERS)
  set_property(GLOBAL PROPERTY SERVALAB_LAYERS ${name} ${layers})

  if(SERVALAB_TESTS)
    add_library(${name}_links_downward SHARED ${CMAKE_SOURCE_DIR}/cmake/empty.c)
    target_link_libraries(${name}_links_downward PRIVATE
      -Wl,--no-undefined -Wl,--whole-archive ${name} -Wl,--no-whole-archive ${ARGN})
  endif()
endfunction()
