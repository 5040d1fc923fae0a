# SPDX-License-Identifier: GPL-2.0-or-later
#
# A layer is a static library of all the sources of one folder. Static libraries
# leave undefined symbols to whoever links the program, who has every layer at
# hand: an upward call would pass unseen. So each layer is also linked, all of
# it, against just the layers it names, with undefined symbols forbidden. What a
# linker does not see, a type or a constant from above, tests/includes.sh does: it
# is told by layers.txt, of each folder, what that may call.

function(servalab_sources out folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.c)
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

# A line of layers.txt: a name, its folder, and the names of what is below.
function(servalab_may_include name folder)
  list(FILTER ARGN EXCLUDE REGEX "::")
  list(JOIN ARGN " " below)
  set_property(GLOBAL APPEND_STRING PROPERTY SERVALAB_MAY_INCLUDE
    "${name} ${folder} ${below}\n")
endfunction()

function(servalab_layer name folder)
  servalab_sources(sources ${folder})
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARGN})
  # For programs that may use them all; upper ones first, as linkers want them.
  get_property(layers GLOBAL PROPERTY SERVALAB_LAYERS)
  set_property(GLOBAL PROPERTY SERVALAB_LAYERS ${name} ${layers})
  servalab_may_include(${name} ${folder} ${ARGN})

  if(SERVALAB_TESTS)
    add_library(${name}_links_downward SHARED ${CMAKE_SOURCE_DIR}/cmake/empty.c)
    target_link_libraries(${name}_links_downward PRIVATE
      -Wl,--no-undefined -Wl,--whole-archive ${name} -Wl,--no-whole-archive ${ARGN})
  endif()
endfunction()
